"""What a learner exports to Prometheus about itself."""

from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Gauge

from schemas import metric_names, metrics


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """Of the learner of this process."""

    late_click_share: Gauge
    touched_rows: Gauge
    base_rate_shift: Gauge


@cache
def model_metrics(registry: CollectorRegistry) -> ModelMetrics:
    """The metrics in a registry; learners of one process share them."""
    return ModelMetrics(
        late_click_share=metrics.gauge(metric_names.LATE_CLICK_SHARE, registry),
        touched_rows=metrics.gauge(metric_names.TOUCHED_ROWS, registry),
        base_rate_shift=metrics.gauge(metric_names.BASE_RATE_SHIFT, registry),
    )
