"""Prometheus objects from the list of names, so that a name is written once."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.metric_names import Metric


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """A counter; Prometheus adds ``_total``."""
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """A gauge."""
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, buckets: Sequence[float], registry: CollectorRegistry) -> Histogram:
    """A histogram with the given upper bounds, in the metric's unit."""
    return Histogram(
        metric.name, metric.help, metric.labels, buckets=tuple(buckets), registry=registry
    )
