"""A version that turns bad is rolled back: labels from a real topic, versions in a real Redis."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest
from typer.testing import CliRunner

from bootstrap.__main__ import app
from bootstrap.publisher import Publisher
from bootstrap.sample_topic import SampleTopic, TopicError
from bootstrap.served_quality import MINUTE_MS, by_version
from bootstrap.version_watch import VersionWatch, percentile_ms, read_buckets
from online_model.publish_gate import GateLimits
from online_model.quality import log_loss, pcoc
from schemas import metric_names, metrics, redis_keys
from schemas.records import TrainingSample
from stores.model_versions import VersionError
from tests.bootstrap.label_topic import sample, sent
from tests.bootstrap.test_publisher import package

LIMITS = GateLimits(log_loss_rise=0.05, pcoc_factor=1.3, latency_ms=50.0)


def served(version: str, factor: float, seed: int = 0) -> list[TrainingSample]:
    """2,000 impressions with a true rate of .05 to .15, predicted ``factor`` times as high."""
    random = np.random.default_rng(seed)
    true = random.uniform(0.05, 0.15, 2000)
    clicks = random.random(2000) < true
    return [
        sample(version, factor * rate, int(click), number=number)
        for number, (rate, click) in enumerate(zip(true.tolist(), clicks, strict=True))
    ]


@pytest.fixture
def publisher(client: redis.Redis) -> Publisher:
    made = Publisher(client, "m", keep_versions=5)
    made.publish(package("v1"), 1)
    made.publish(package("v2"), 2)
    return made


def watch(publisher: Publisher, topic: SampleTopic, *scorers: str) -> VersionWatch:
    return VersionWatch(publisher, topic, scorers, LIMITS, topic.begin())


def test_a_version_that_overpredicts_is_rolled_back(
    publisher: Publisher, topic: SampleTopic
) -> None:
    watching = watch(publisher, topic)
    sent(topic, served("v1", 1.0))
    assert watching.step(now_ms=5) is None, "nothing is known of v2 yet"
    sent(topic, served("v2", 2.5, seed=1))
    done = watching.step(now_ms=6)
    assert done is not None
    assert (done.withdrawn, done.served) == ("v2", "v1")
    assert [reason.split(":")[0] for reason in done.reasons] == [
        "normalised log loss",
        "calibration",
    ]
    assert publisher.current() == "v1"
    assert publisher.versions()[1].withdrawn == "; ".join(done.reasons)
    assert watching.step(now_ms=7) is None, "there is nothing left to go back to"


def test_what_no_version_can_replace_is_told_once(
    client: redis.Redis, publisher: Publisher, topic: SampleTopic
) -> None:
    """Each try reads whole packages out of the Redis of the scorers."""
    watching = watch(publisher, topic)
    client.delete(redis_keys.model_chunk("m", "v1", "table", 0))
    sent(topic, served("v1", 1.0) + served("v2", 2.5, seed=1))
    with pytest.raises(VersionError, match=r"^v2 is bad \(.*calibration.*\), but m cannot"):
        watching.step(now_ms=5)
    assert watching.step(now_ms=6) is None
    publisher.publish(package("v3"), 7)
    publisher.publish(package("v4"), 8)
    sent(topic, served("v4", 2.5, seed=2))
    done = watching.step(now_ms=9)
    assert done is not None
    assert (done.withdrawn, done.served) == ("v4", "v3")


def test_a_version_that_is_right_stays(publisher: Publisher, topic: SampleTopic) -> None:
    watching = watch(publisher, topic)
    sent(topic, served("v1", 1.0) + served("v2", 1.0, seed=1))
    assert watching.step(now_ms=5) is None
    assert watching.served["v2"].metrics()["rows"] == 2000
    assert watching.step(now_ms=6) is None
    assert watching.served["v2"].metrics()["rows"] == 2000, "each sample counts once"


def test_sums_are_those_of_the_metrics_with_corrections_undone() -> None:
    """A negative that is corrected counts like the click it was; MATURE repeats what is known."""
    samples = served("v", 1.2)
    late = [
        sample("v", item.predicted_ctr, 1, "CORRECTION") for item in samples[:20] if not item.label
    ]
    extra = [sample("v", 0.5, 1, "MATURE")]
    sums = by_version([*samples, *late, *extra], 60)["v"].metrics()
    labels = np.array([item.label for item in samples])
    labels[:20] = 1
    p = np.array([item.predicted_ctr for item in samples])
    assert sums["rows"] == 2000
    assert sums["log_loss"] == pytest.approx(log_loss(labels, p))
    assert sums["pcoc"] == pytest.approx(pcoc(labels, p))
    assert "pcoc" not in by_version([sample("w", 0.1, 0)], 60)["w"].metrics()


@pytest.fixture
def scorer() -> Iterator[tuple[str, CollectorRegistry]]:
    """URL of metrics as a scorer exports them."""
    registry = CollectorRegistry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(generate_latest(registry))

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics", registry
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_version_that_is_slow_is_rolled_back(
    publisher: Publisher, topic: SampleTopic, scorer: tuple[str, CollectorRegistry]
) -> None:
    url, registry = scorer
    buckets = metric_names.LATENCY_BUCKETS
    seconds = metrics.histogram(metric_names.REQUEST_SECONDS, buckets, registry).labels(
        "Rank", "FULL"
    )
    for _ in range(500):
        seconds.observe(0.3)
    watching = watch(publisher, topic, url)
    assert watching.step(now_ms=5) is None, "what was slow before it was watched does not count"
    for _ in range(200):
        seconds.observe(0.004)
    assert watching.step(now_ms=6) is None
    for _ in range(20):
        seconds.observe(0.2)
    done = watching.step(now_ms=7)
    assert done is not None
    assert done.reasons == ["latency: p99 250.0 ms, 50.0 ms are allowed"]


def test_a_scorer_that_does_not_answer_hides_nothing(
    publisher: Publisher, topic: SampleTopic
) -> None:
    gone = "http://127.0.0.1:1/metrics"
    watching = watch(publisher, topic, gone)
    sent(topic, served("v1", 1.0) + served("v2", 2.5, seed=1))
    assert watching.step(now_ms=6) is not None
    assert [fault.startswith(gone) for fault in watching.unheard] == [True]


def test_watching_goes_on_after_a_fault(
    kafka_bootstrap: str,
    redis_url: str,
    topic: SampleTopic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another version that became current, or Redis away for a moment."""
    faults: list[Exception] = [VersionError("v3 is current by now"), redis.ConnectionError("away")]

    def step(self: VersionWatch, now_ms: int) -> None:
        if faults:
            raise faults.pop(0)

    monkeypatch.setenv("CTR_REDIS_URL", redis_url)
    monkeypatch.setattr(VersionWatch, "step", step)
    monkeypatch.setattr("bootstrap.version_commands._topic", lambda: topic)
    options = ("--seconds", "0.5", "--poll-seconds", "0.1", "--json")
    result = CliRunner().invoke(app, ["watch", *options])
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        "nothing was done: v3 is current by now",
        "nothing was done: away",
    ]


def test_a_percentile_is_the_bound_of_its_bucket() -> None:
    assert percentile_ms({0.01: 98.0, 0.02: 99.0, float("inf"): 100.0}) == 20.0
    assert percentile_ms({0.01: 98.0, float("inf"): 100.0}) == float("inf")
    assert percentile_ms({0.01: 9.0, float("inf"): 9.0}) is None
    with pytest.raises(OSError, match="is no http URL"):
        read_buckets("file:///etc/passwd")


def test_a_topic_that_is_not_there_is_named(kafka_bootstrap: str) -> None:
    with pytest.raises(TopicError, match="has no topic nowhere"):
        SampleTopic(kafka_bootstrap, "nowhere").end()


def test_samples_of_a_read_that_fails_are_not_counted() -> None:
    def broken() -> Iterator[TrainingSample]:
        yield sample("v", 0.1, 1)
        raise TopicError("away")

    known = by_version([sample("v", 0.1, 0)], 60)
    with pytest.raises(TopicError):
        by_version(broken(), 60, known)
    assert known["v"].metrics()["rows"] == 1


def test_a_version_is_judged_by_its_last_labels() -> None:
    """What was good or bad an hour before its newest label counts no longer."""
    old = [replace(sample("v", 0.9, 0), label_ts=MINUTE_MS * minute) for minute in range(60)]
    new = [replace(sample("v", 0.5, 1), label_ts=MINUTE_MS * (59 + minute)) for minute in range(60)]
    late = [replace(sample("v", 0.9, 0), label_ts=0)]
    found = by_version([*old, *new, *late], 60)["v"].metrics()
    assert found["rows"] == 61
    assert found["clicks"] == 60
    assert by_version(old, 60)["v"].metrics()["rows"] == 60


def test_a_version_is_judged_at_the_position_that_it_predicts() -> None:
    """Fewer clicks further down say nothing against it."""
    top = served("v", 1.0)
    below = [
        replace(item, position=position, label=0, kind="NEGATIVE")
        for position in (2, 3)
        for item in top
    ]
    assert by_version([*top, *below], 60)["v"].metrics() == by_version(top, 60)["v"].metrics()


def test_the_error_of_log_loss_is_that_of_chance() -> None:
    losses, errors = [], []
    for seed in range(40):
        found = by_version(served("v", 1.0, seed), 60)["v"].metrics()
        losses.append(found["normalised_log_loss"])
        errors.append(found["normalised_log_loss_error"])
    assert np.mean(errors) == pytest.approx(np.std(losses), rel=0.3)
