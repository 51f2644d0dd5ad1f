"""What the scorer exports to Prometheus."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas import metric_names, metrics

_SHARES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 1.0)
STAGES = ("user", "encode", "retrieval", "choice", "gather", "tower", "answer")


class StageTimer:
    """Observes how long its block took; a plain class costs half of a generator."""

    __slots__ = ("_seconds", "_start")

    def __init__(self, seconds: Histogram) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._start = perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds.observe(perf_counter() - self._start)


@dataclass(frozen=True, slots=True)
class ScorerMetrics:
    """The scorer's metrics in one registry."""

    requests: Counter
    request_seconds: Histogram
    stage_seconds: dict[str, Histogram]
    user_reads: Counter
    model_info: Gauge
    model_age_seconds: Gauge
    ads: Gauge
    recall: Histogram
    rows_applied: Counter
    delta_resyncs: Counter
    packages_refused: Counter
    changes_refused: Counter
    feeder_errors: Counter
    stale_seconds: Gauge
    click_to_score_seconds: Histogram
    counter_to_scorer_seconds: Histogram

    def stage(self, name: str) -> "StageTimer":
        """Time one stage of a request; ``name`` is one of STAGES."""
        return StageTimer(self.stage_seconds[name])

    def observe_clicks(self, click_ts: list[int], now_ms: Callable[[], int]) -> None:
        """Clicks, by their time in ms, have changed the scores that are served."""
        now = now_ms()
        for ts in click_ts:
            self.click_to_score_seconds.observe(max(0, now - ts) / 1000)


def scorer_metrics(registry: CollectorRegistry) -> ScorerMetrics:
    """Create the metrics. Raises ValueError if the registry already has them."""
    latency = metric_names.LATENCY_BUCKETS
    stages = metrics.histogram(metric_names.STAGE_SECONDS, latency, registry)
    return ScorerMetrics(
        requests=metrics.counter(metric_names.REQUESTS, registry),
        request_seconds=metrics.histogram(metric_names.REQUEST_SECONDS, latency, registry),
        stage_seconds={name: stages.labels(name) for name in STAGES},
        user_reads=metrics.counter(metric_names.USER_READS, registry),
        model_info=metrics.gauge(metric_names.MODEL_INFO, registry),
        model_age_seconds=metrics.gauge(metric_names.MODEL_AGE_SECONDS, registry),
        ads=metrics.gauge(metric_names.ADS, registry),
        recall=metrics.histogram(metric_names.RECALL, _SHARES, registry),
        rows_applied=metrics.counter(metric_names.ROWS_APPLIED, registry),
        delta_resyncs=metrics.counter(metric_names.DELTA_RESYNCS, registry),
        packages_refused=metrics.counter(metric_names.PACKAGES_REFUSED, registry),
        changes_refused=metrics.counter(metric_names.CHANGES_REFUSED, registry),
        feeder_errors=metrics.counter(metric_names.FEEDER_ERRORS, registry),
        stale_seconds=metrics.gauge(metric_names.STALE_SECONDS, registry),
        click_to_score_seconds=metrics.histogram(
            metric_names.CLICK_TO_SCORE_SECONDS, metric_names.FRESHNESS_BUCKETS, registry
        ),
        counter_to_scorer_seconds=metrics.histogram(
            metric_names.COUNTER_TO_SCORER_SECONDS, metric_names.FRESHNESS_BUCKETS, registry
        ),
    )
