"""Everything that the console watches, in threads, and the picture made of it."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

from bootstrap.sample_topic import SampleTopic
from deploy.console import sources
from deploy.console.broker import BrokerSource
from deploy.console.label_source import LabelSource
from deploy.console.label_window import LabelWindow, merged, quality
from deploy.console.metrics import ConsoleMetrics
from deploy.console.picture import picture
from deploy.console.rates import Look, Rates
from deploy.console.settings import ConsoleSettings
from deploy.console.sight import Sight
from deploy.console.watching import Watch
from deploy.scrape import Histogram, Scrape
from schemas import metric_names as names
from schemas.metric_names import Metric
from schemas.settings import SharedSettings
from streaming.settings import JobName, StreamingSettings

#: Drawn over time: label of the series to the rate that it is.
SERIES = ("impressions", "clicks", "training-samples", "requests")
_SCORER_TOTALS = {"requests": names.REQUESTS, "rows_applied": names.ROWS_APPLIED}
_SCORER_HISTOGRAMS = {
    "request_seconds": names.REQUEST_SECONDS,
    "click_to_score": names.CLICK_TO_SCORE_SECONDS,
}


class Engine:
    """``picture`` is the newest picture, ``history`` columns of the charts; both only replaced."""

    def __init__(
        self,
        settings: ConsoleSettings,
        shared: SharedSettings,
        streaming: StreamingSettings,
        metrics: ConsoleMetrics,
    ) -> None:
        self.settings = settings
        self.shared = shared
        self.streaming = streaming
        self.metrics = metrics
        seconds, timeout = settings.poll_seconds, settings.timeout_seconds
        flink = sources.FlinkSource(streaming)
        here = {
            JobName.EVENTS: metrics_url(streaming.metrics_port_events),
            JobName.LEARNING: metrics_url(streaming.metrics_port_learning),
        }
        self.redis = sources.RedisSource(shared.redis, shared.model, timeout)
        window = LabelWindow(settings.labels_minutes)
        self.label_source = LabelSource(
            SampleTopic(shared.kafka), window, settings.labels_minutes, settings.labels_per_look
        )
        self._broker = Watch("Kafka", BrokerSource(shared, timeout).look, seconds)
        self._redis = Watch("Redis", self.redis.look, seconds)
        self._events = Watch("events job", partial(flink.look, JobName.EVENTS), seconds)
        self._learning = Watch("learning job", partial(flink.look, JobName.LEARNING), seconds)
        self._events_metrics = Watch(
            "events metrics",
            partial(sources.scrape, settings.events_metrics or here[JobName.EVENTS], "events job"),
            seconds,
        )
        self._learning_metrics = Watch(
            "learning metrics",
            partial(
                sources.scrape,
                settings.learning_metrics or here[JobName.LEARNING],
                "learning job",
            ),
            seconds,
        )
        self.scorers = Watch("scorers", partial(sources.scrapes, settings.scorer_metrics), seconds)
        self._lake = Watch("lake", partial(sources.lake_age_seconds, streaming), 5 * seconds)
        self._alerts = Watch(
            "Prometheus", partial(sources.alerts, settings.prometheus, timeout), seconds
        )
        self.labels = Watch("labels", self.label_source.look, 2 * seconds)
        self._watches: tuple[Watch[Any], ...] = (
            self._broker,
            self._redis,
            self._events,
            self._learning,
            self._events_metrics,
            self._learning_metrics,
            self.scorers,
            self._lake,
            self._alerts,
            self.labels,
        )
        self._rates = Rates()
        points = max(2, int(60 * settings.history_minutes / seconds))
        self._history: deque[tuple[float | None, ...]] = deque(maxlen=points)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="picture", daemon=True)
        self.picture: Mapping[str, Any] = {}

    def start(self) -> None:
        """Begin to watch; the first picture is there at once, and says what is not known yet."""
        self._draw()
        for watch in self._watches:
            watch.start()
        self._thread.start()

    def stop(self) -> None:
        """Begin no further look."""
        self._stopping.set()
        for watch in self._watches:
            watch.stop()

    @property
    def stopping(self) -> bool:
        """Whether streams should end."""
        return self._stopping.is_set()

    def history(self) -> dict[str, list[float | None]]:
        """Columns of the charts: ``at`` in epoch seconds, a rate a second for each of SERIES."""
        columns = list(zip(*list(self._history), strict=True)) or [()] * (1 + len(SERIES))
        return dict(zip(("at", *SERIES), map(list, columns), strict=True))

    def _run(self) -> None:
        while not self._stopping.wait(self.settings.poll_seconds):
            self._draw()

    def _draw(self) -> None:
        now = time.time()
        self._rates.add(self._look(now))
        self._history.append((round(now, 1), *(self._rates.per_second(name) for name in SERIES)))
        self.picture = picture(
            Sight(
                now=now,
                broker=self._broker.reading,
                redis=self._redis.reading,
                events=self._events.reading,
                learning=self._learning.reading,
                events_metrics=self._events_metrics.reading,
                learning_metrics=self._learning_metrics.reading,
                scorers=self.scorers.reading,
                lake_age=self._lake.reading,
                served_quality=self._served_quality(),
                alerts=self._alerts.reading,
                rates=self._rates,
            )
        )
        for watch in self._watches:
            self.metrics.source_up.labels(watch.name).set(not watch.reading.fault)

    def _served_quality(self) -> Mapping[str, float | None]:
        redis = self._redis.reading.value
        current = {item.version for item in redis.versions if item.current} if redis else set()
        total = self.label_source.window.total()
        return quality(merged(cell for (_, version), cell in total.items() if version in current))

    def _look(self, now: float) -> Look:
        totals: dict[str, float] = {}
        histograms: dict[str, Histogram] = {}
        broker = self._broker.reading
        if broker.value is not None and not broker.fault:
            totals.update(broker.value.written)
        scorers = [one for one in (self.scorers.reading.value or {}).values() if _is_up(one)]
        for name, metric in _SCORER_TOTALS.items():
            _add_total(totals, name, metric, scorers)
        for name, metric in _SCORER_HISTOGRAMS.items():
            _add_histogram(histograms, name, metric, scorers)
        events = [one for one in (self._events_metrics.reading.value,) if _is_up(one)]
        _add_total(totals, "rows_written", names.ROWS_WRITTEN, events)
        _add_histogram(histograms, "click_to_counter", names.CLICK_TO_COUNTER_SECONDS, events)
        learning = [one for one in (self._learning_metrics.reading.value,) if _is_up(one)]
        _add_total(totals, "delta_rows", names.DELTA_ROWS, learning)
        return Look(now, totals, histograms)


def _is_up(one: object) -> bool:
    return isinstance(one, Scrape)


def metrics_url(port: int) -> str:
    """Of a process of this machine."""
    return f"http://127.0.0.1:{port}/metrics"


def _add_total(totals: dict[str, float], name: str, metric: Metric, scrapes: list[Any]) -> None:
    found = [value for one in scrapes if (value := one.value(metric)) is not None]
    if found:
        totals[name] = sum(found)


def _add_histogram(
    histograms: dict[str, Histogram], name: str, metric: Metric, scrapes: list[Any]
) -> None:
    for one in scrapes:
        found = one.histogram(metric)
        if found is None:
            continue
        before = histograms.get(name)
        if before is not None and before.bounds == found.bounds:
            counts = tuple(a + b for a, b in zip(before.counts, found.counts, strict=True))
            found = Histogram(found.bounds, counts)
        histograms[name] = found
