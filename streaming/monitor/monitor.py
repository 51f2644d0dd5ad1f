"""One monitor: looks at Kafka, Redis and the output topics until it is stopped."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

import redis
import structlog
from confluent_kafka import KafkaException
from redis.exceptions import RedisClusterException

from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.settings import SharedSettings
from schemas.topics import CLICKS, IMPRESSIONS, TRAINING_SAMPLES
from stores.redis_client import connect
from streaming.monitor.feature_drift import FeatureDrift
from streaming.monitor.kafka_probe import KafkaProbe
from streaming.monitor.metrics import MonitorMetrics
from streaming.monitor.redis_probe import RedisProbe
from streaming.monitor.served_quality import ServedQuality
from streaming.monitor.stream_watch import WATCHED, StreamWatch
from streaming.monitor.topic_tail import TopicTail
from streaming.settings import EVENTS_GROUP, StreamingSettings, learner_group

_log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
READ_SECONDS = 0.25
TIMEOUT_SECONDS = 5.0
BACK_OFF_SECONDS = 1.0
#: A source is away, or holds what it should not; of anything else the trace is logged.
SOURCE_FAULTS = (KafkaException, RedisClusterException, redis.RedisError, ValueError, KeyError)


class Monitor:
    """Sources are looked at in threads of their own: one that hangs holds up no other."""

    def __init__(
        self,
        shared: SharedSettings,
        settings: StreamingSettings,
        spec: FeatureSpec,
        metrics: MonitorMetrics,
    ) -> None:
        self._shared = shared
        self._window_ms = round(settings.monitor_minutes * 60_000)
        self._layout = Layout.of(spec)
        self._fingerprint = spec.fingerprint
        self._metrics = metrics
        self._stop = threading.Event()
        self._version: str | None = None
        self.watch = StreamWatch(metrics, ServedQuality(self._layout, self._window_ms))

    def run(self) -> None:
        """Until :meth:`stop`."""
        threads = [
            threading.Thread(target=self._repeat, args=(name, step), name=name, daemon=True)
            for name, step in (("kafka", self._kafka), ("redis", self._redis))
        ]
        for thread in threads:
            thread.start()
        self._repeat("topics", self._topics)
        for thread in threads:
            thread.join(2 * TIMEOUT_SECONDS)

    def stop(self) -> None:
        """End soon."""
        self._stop.set()

    def _repeat(self, source: str, step: Callable[[], None]) -> None:
        """A step goes on until it is told to stop or something fails; then it begins anew."""
        while not self._stop.is_set():
            try:
                step()
            except Exception as error:  # no fault of one look may end all later ones
                self._metrics.faults.labels(source).inc()
                known = isinstance(error, SOURCE_FAULTS)
                _log.warning("cannot look", source=source, error=repr(error), exc_info=not known)
                self._stop.wait(BACK_OFF_SECONDS)

    def _kafka(self) -> None:
        readers = {
            EVENTS_GROUP: (IMPRESSIONS.name, CLICKS.name),
            learner_group(self._shared.model): (TRAINING_SAMPLES.name,),
        }
        probe = KafkaProbe(self._shared.kafka, readers, TIMEOUT_SECONDS)
        try:
            while not self._stop.wait(LOOK_SECONDS):
                probe.look(self._metrics, now_ms())
        finally:
            probe.close()

    def _redis(self) -> None:
        self._metrics.redis_up.set(0)
        with connect(self._shared.redis, socket_timeout=TIMEOUT_SECONDS) as client:
            probe = RedisProbe(client, self._shared.model)
            try:
                while not self._stop.is_set():
                    probe.look(self._metrics, now_ms())
                    self._metrics.redis_up.set(1)
                    self._follow(probe)
                    self._stop.wait(LOOK_SECONDS)
            finally:
                self._metrics.redis_up.set(0)

    def _follow(self, probe: RedisProbe) -> None:
        """Compare with the package that is served; say what the comparison found."""
        version = probe.current()
        if version is not None and version != self._version:
            reference = probe.reference(version)
            self._version = version
            self.watch.drift = (
                None
                if reference is None
                else FeatureDrift(self._layout, reference, self._window_ms)
            )
        drift = self.watch.drift
        for gauge in (self._metrics.psi, self._metrics.kl, self._metrics.default_share):
            gauge.clear()
        found = {} if drift is None else drift.drifts()
        for feature, told in found.items():
            self._metrics.psi.labels(feature).set(told.psi)
            self._metrics.kl.labels(feature).set(told.kl)
            self._metrics.default_share.labels(feature).set(told.default_share)
        if drift is not None and found:
            more = {"rows": drift.rows, "version": version, "at_ms": now_ms()}
            probe.write_drift(
                {name: json.dumps({**asdict(d), **more}) for name, d in found.items()}
            )

    def _topics(self) -> None:
        tail = TopicTail(self._shared.kafka, WATCHED, TIMEOUT_SECONDS)
        try:
            told = 0.0
            while not self._stop.is_set():
                self.watch.take(tail.read(READ_SECONDS))
                if time.monotonic() - told >= LOOK_SECONDS:
                    told = time.monotonic()
                    self._tell()
        finally:
            tail.close()

    def _tell(self) -> None:
        quality, metrics = self.watch.quality, self._metrics
        quality.advance(now_ms())
        metrics.pcoc.clear()
        metrics.clicks.clear()
        for (dimension, value), (pcoc, clicks) in quality.pcoc().items():
            metrics.pcoc.labels(dimension, value).set(pcoc)
            metrics.clicks.labels(dimension, value).set(clicks)
        metrics.log_loss.set(quality.log_loss())
        metrics.auc.set(quality.auc())


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000
