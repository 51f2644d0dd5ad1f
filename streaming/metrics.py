"""What the jobs' Python workers export to Prometheus, and the port on which they do."""

import errno
import threading
import time
from dataclasses import dataclass
from functools import cache

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from schemas import metric_names, metrics

_log = structlog.get_logger(__name__)

BATCH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class SinkMetrics:
    """Of the writer to Redis."""

    rows_written: Counter
    batch_seconds: Histogram
    click_to_counter_seconds: Histogram


@dataclass(frozen=True, slots=True)
class LearnerMetrics:
    """Of the learning job."""

    samples: Counter
    refused: Counter
    log_loss: Gauge
    pcoc: Gauge
    auc: Gauge
    drift: Counter
    withheld: Gauge
    delta_rows: Counter
    click_to_gradient_seconds: Histogram
    click_to_delta_seconds: Histogram
    batch_seconds: Histogram


@cache
def sink_metrics(registry: CollectorRegistry) -> SinkMetrics:
    """The sink's metrics in a registry; operators of one worker process share them."""
    return SinkMetrics(
        rows_written=metrics.counter(metric_names.ROWS_WRITTEN, registry),
        batch_seconds=metrics.histogram(metric_names.BATCH_SECONDS, BATCH_BUCKETS, registry),
        click_to_counter_seconds=metrics.histogram(
            metric_names.CLICK_TO_COUNTER_SECONDS, metric_names.FRESHNESS_BUCKETS, registry
        ),
    )


@cache
def learner_metrics(registry: CollectorRegistry) -> LearnerMetrics:
    """The learner's metrics in a registry."""
    return LearnerMetrics(
        samples=metrics.counter(metric_names.SAMPLES_LEARNT, registry),
        refused=metrics.counter(metric_names.SAMPLES_REFUSED, registry),
        log_loss=metrics.gauge(metric_names.LEARNER_LOG_LOSS, registry),
        pcoc=metrics.gauge(metric_names.LEARNER_PCOC, registry),
        auc=metrics.gauge(metric_names.LEARNER_AUC, registry),
        drift=metrics.counter(metric_names.LEARNER_DRIFT, registry),
        withheld=metrics.gauge(metric_names.LEARNER_WITHHELD, registry),
        delta_rows=metrics.counter(metric_names.DELTA_ROWS, registry),
        click_to_gradient_seconds=metrics.histogram(
            metric_names.CLICK_TO_GRADIENT_SECONDS, metric_names.FRESHNESS_BUCKETS, registry
        ),
        click_to_delta_seconds=metrics.histogram(
            metric_names.CLICK_TO_DELTA_SECONDS, metric_names.FRESHNESS_BUCKETS, registry
        ),
        batch_seconds=metrics.histogram(metric_names.LEARN_SECONDS, BATCH_BUCKETS, registry),
    )


@cache
def serve_metrics(port: int, registry: CollectorRegistry) -> None:
    """Answer Prometheus on ``port``, once a process however often it is called.

    A worker that Flink replaces may still hold the port for a moment, so a taken port is tried
    again in the background: metrics are worth waiting for, but not worth stopping a job.
    """
    threading.Thread(target=_serve, args=(port, registry), name="metrics", daemon=True).start()


def _serve(port: int, registry: CollectorRegistry) -> None:
    warned = False
    while True:
        try:
            start_http_server(port, registry=registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if not warned:
                _log.warning("metrics port is taken, trying on", port=port)
                warned = True
            time.sleep(1)
        else:
            _log.info("metrics", port=port)
            return
