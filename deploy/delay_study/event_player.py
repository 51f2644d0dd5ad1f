"""Rows of a lesson as impressions and clicks in Kafka, in the order of event time."""

import time
from collections.abc import Callable, Mapping

import numpy as np
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from numpy.typing import NDArray

from deploy import kafka_offsets
from online_model.studies.delay_study import Lesson
from schemas.features import FeatureSpec
from schemas.records import Click, Impression, Served
from schemas.served_token import TokenKeys
from schemas.topics import CLICKS, IMPRESSIONS, TRAINING_SAMPLES
from stores.kafka_client import client_settings
from streaming.adserver.event_producer import EventProducer
from streaming.adserver.metrics import AdServerMetrics
from streaming.settings import EVENTS_GROUP, learner_group

#: Of the first row; any day will do.
FIRST_MS = 1_700_000_000_000
AD, USER = "a", "u"
PATIENCE_SECONDS = 60.0
#: Faster, and a batch of the learner would have but clicks or but negatives: the join lets both
#: through in lots, as often as event time moves on.
ROWS_PER_SECOND = 1_000
#: Event time goes on in the jobs a moment after what tells it was read, and a sample is learnt a
#: moment after it was.
SETTLED_SECONDS = 1.5
POLL_SECONDS = 0.1


class PlayFailed(RuntimeError):
    """The jobs did not take what was played."""


class EventPlayer:
    """Plays each row once, and each click when its time has come."""

    def __init__(self, environment: Mapping[str, str], spec: FeatureSpec, lesson: Lesson) -> None:
        kafka = environment["CTR_KAFKA_BOOTSTRAP"]
        self._keys = TokenKeys.parse(environment["CTR_TOKEN_KEYS"])
        self._spec, self._lesson = spec, lesson
        self._producer = EventProducer(kafka, AdServerMetrics())
        self._admin = AdminClient({**client_settings(kafka), "log_level": 0})
        clicked = np.flatnonzero(lesson.click_ms >= 0)
        self._clicks = clicked[np.argsort(lesson.click_ms[clicked], kind="stable")]
        self._clicks_played = 0

    def forget_clicks_before(self, row: int) -> None:
        """Clicks of rows before this one, which are not played, have no impression."""
        self._clicks = self._clicks[self._clicks >= row]

    def play(self, start: int, end: int, served: NDArray[np.float64]) -> None:
        """Rows [start, end), served with these probabilities, and all clicks up to the last of
        them. Raises DeliveryError."""
        lesson, began = self._lesson, time.monotonic()
        for row, probability in zip(range(start, end), served.tolist(), strict=True):
            time.sleep(max(0.0, began + (row - start) / ROWS_PER_SECOND - time.monotonic()))
            self._click_until(int(lesson.ts_ms[row]))
            token = self._keys.sign(self._served(row, probability))
            ts = FIRST_MS + int(lesson.ts_ms[row])
            shown = Impression(f"r{row}", AD, USER, ts, 1, 0, token)
            self._producer.send(IMPRESSIONS, shown.request_id, shown)
        self._producer.flush()

    def settle(self, learnt: Callable[[], int] | None = None) -> None:
        """Wait until the events job and, if samples are ``learnt``, the learning job have read all
        that there is, by their checkpoints, and for a while no further sample has come or been
        learnt. What then waits in them is held until event time goes on. Raises PlayFailed."""
        reads = {EVENTS_GROUP: [IMPRESSIONS.name, CLICKS.name]}
        if learnt is not None:
            reads[learner_group(self._lesson.package.manifest.model)] = [TRAINING_SAMPLES.name]
        before, since = None, time.monotonic()
        while True:
            unread = {
                group: kafka_offsets.unread(self._admin, group, topics)
                for group, topics in reads.items()
            }
            now = (unread, self._samples(), learnt and learnt())
            if now != before:
                before, since = now, time.monotonic()
            quiet_seconds = time.monotonic() - since
            if quiet_seconds > SETTLED_SECONDS and not any(unread.values()):
                return
            if quiet_seconds > PATIENCE_SECONDS:
                raise PlayFailed(f"the jobs stand still, records that they have not read: {unread}")
            time.sleep(POLL_SECONDS)

    def delete_samples(self) -> None:
        """Those that are there now: what history has taught already."""
        asked = [TopicPartition(*place, end) for place, end in self._samples().items()]
        for answer in self._admin.delete_records(asked).values():
            answer.result(PATIENCE_SECONDS)

    def _click_until(self, ts_ms: int) -> None:
        lesson = self._lesson
        while self._clicks_played < len(self._clicks):
            row = int(self._clicks[self._clicks_played])
            if lesson.click_ms[row] > ts_ms:
                return
            click = Click(f"r{row}", AD, FIRST_MS + int(lesson.click_ms[row]))
            self._producer.send(CLICKS, click.request_id, click)
            self._clicks_played += 1

    def _served(self, row: int, probability: float) -> Served:
        return Served(
            request_id=f"r{row}",
            ad_id=AD,
            variant="deepfm",
            model_version=self._lesson.package.manifest.version,
            predicted_ctr=probability,
            propensity=1.0,
            feature_fingerprint=self._spec.fingerprint,
            counter_keys=[],
            inputs=self._lesson.samples[row].tobytes(),
        )

    def _samples(self) -> dict[tuple[str, int], int]:
        return kafka_offsets.ends(self._admin, [TRAINING_SAMPLES.name])
