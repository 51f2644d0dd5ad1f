"""What golden savepoints remember: Kafka's records before they were taken, and their places.

:func:`before` must send the same records to the same offsets whenever it is called.
"""

from typing import Any

import numpy as np
from confluent_kafka import Producer

from online_model.network.model import Model
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from schemas import redis_keys
from schemas.calibration import Calibration
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.learner_status import LearnerStatus
from schemas.records import TrainingSample
from schemas.redis_values import UserRow
from schemas.topics import TRAINING_SAMPLES
from tests.streaming.jobs.running_job import PARTITIONS
from tests.streaming.jobs.session_run import FEATURES, RULES, SessionRun

T0 = 1_700_000_000_000
MODEL = "deepfm"
#: Impressions that a counter has seen; the first is clicked.
COUNTED = 5
CLICKED_TS = T0 + 500
WAITING_CLICK_TS = T0 + 100
#: Sent after the savepoint.
PENDING_CLICK_TS = T0 + 1_000
#: Of the impression whose NEGATIVE is out.
OLD_TS = T0 - 2 * RULES.label_wait_ms
SAMPLE_TS = T0 - 200_000
NEGATIVES = 8
#: They wait in the learning job for the negatives of their age.
POSITIVES = 2


def before(run: SessionRun) -> None:
    """Events: counters, last clicks, a pending impression, a NEGATIVE that may be corrected, a
    click that waits. Learning: samples learnt and samples held."""
    journal = run.journal
    for number in range(COUNTED):
        journal.impression(f"counted-{number}", T0 + number, counter_keys=["ad:a"], partition=0)
    journal.click("counted-0", CLICKED_TS, partition=0)
    journal.impression("pending", T0, ad_id="b", partition=0)
    journal.impression("silent", T0, partition=0)
    journal.impression("negative", OLD_TS, ad_id="d", partition=0)
    journal.click("click-first", WAITING_CLICK_TS, ad_id="c", partition=0)
    move_time(run, T0 + 1_000)
    publish_base(run)
    for number in range(NEGATIVES):
        send_sample(run, f"learnt-{number}", "NEGATIVE", SAMPLE_TS, number % PARTITIONS)
    for number in range(POSITIVES):
        send_sample(run, f"held-{number}", "POSITIVE", SAMPLE_TS, number % PARTITIONS)


def move_time(run: SessionRun, ts: int) -> None:
    """Clicked impressions of ``ts`` in every partition."""
    for partition in range(PARTITIONS):
        name = f"heartbeat-{ts}-{partition}"
        run.journal.impression(name, ts, user_id="heartbeat", partition=partition)
        run.journal.click(name, ts, partition=partition)
    run.journal.flush()


def publish_base(run: SessionRun) -> None:
    """The package that the learning job starts from."""
    spec = FeatureSpec.load(str(FEATURES))
    inputs = np.zeros(8, Layout.of(spec).dtype)
    inputs["sequence"] = -1
    model = Model.new(spec, "deepfm", inputs, 0.05, OnlineModelSettings())
    late = LateClicks.assumed(0.5, model.shape.rows)
    package = export(model, Calibration(), late, Origin(MODEL, "base", T0), inputs)
    for key, value in package.writes():
        run.redis.set(key, value)
    run.redis.set(redis_keys.model_current(MODEL), package.manifest.version)


def send_sample(run: SessionRun, request_id: str, kind: str, ts: int, partition: int) -> None:
    """One sample as the events job writes it, whose label was known at once."""
    spec = FeatureSpec.load(str(FEATURES))
    encoder = Encoder(spec)
    is_click = kind == "POSITIVE"
    sample = TrainingSample(
        kind=kind,
        request_id=request_id,
        ad_id="a",
        user_id="u",
        ts=ts,
        position=1,
        price=100,
        variant="deepfm",
        model_version="base",
        predicted_ctr=0.05,
        propensity=1.0,
        feature_fingerprint=spec.fingerprint,
        inputs=encoder.request(UserRow("u"), {}).tobytes() + encoder.ad("a", {}).tobytes(),
        label=int(is_click),
        label_ts=ts,
        click_ts=ts if is_click else None,
        sample_weight=1.0,
    )
    producer = Producer({"bootstrap.servers": run.bootstrap, "log_level": 2})
    producer.produce(
        TRAINING_SAMPLES.name, sample.encode(), request_id.encode(), partition=partition
    )
    assert producer.flush(30) == 0


def learner_status(run: SessionRun) -> LearnerStatus | None:
    """What the learner says of itself."""
    fields: Any = run.redis.hgetall(redis_keys.model_learner(MODEL))
    return LearnerStatus.from_fields(fields)


def seen(run: SessionRun, kind: str) -> int:
    """Samples of a kind that the learner counts."""
    status = learner_status(run)
    return 0 if status is None else status.seen.get(kind, 0)
