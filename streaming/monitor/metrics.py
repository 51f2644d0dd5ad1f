"""What the monitor exports to Prometheus."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas import metric_names as names
from schemas import metrics


@dataclass(frozen=True, slots=True)
class MonitorMetrics:
    """The monitor's metrics in one registry."""

    faults: Counter
    kafka_end: Gauge
    kafka_committed: Gauge
    kafka_lag: Gauge
    kafka_event_age: Gauge
    event_to_kafka: Histogram
    redis_up: Gauge
    redis_used: Gauge
    redis_limit: Gauge
    learner_silence: Gauge
    learner_watermark_age: Gauge
    model_data_age: Gauge
    model_retrained_age: Gauge
    click_to_label: Histogram
    labels: Counter
    ad_impressions: Counter
    ad_clicks: Counter
    ad_revenue_micros: Counter
    dead_letters: Counter
    pcoc: Gauge
    clicks: Gauge
    log_loss: Gauge
    auc: Gauge
    psi: Gauge
    kl: Gauge
    default_share: Gauge


def monitor_metrics(registry: CollectorRegistry) -> MonitorMetrics:
    """Create the metrics. Raises ValueError if the registry already has them."""

    def gauge(metric: names.Metric) -> Gauge:
        return metrics.gauge(metric, registry)

    def counter(metric: names.Metric) -> Counter:
        return metrics.counter(metric, registry)

    def freshness(metric: names.Metric) -> Histogram:
        return metrics.histogram(metric, names.FRESHNESS_BUCKETS, registry)

    return MonitorMetrics(
        faults=counter(names.MONITOR_FAULTS),
        kafka_end=gauge(names.KAFKA_END_OFFSET),
        kafka_committed=gauge(names.KAFKA_COMMITTED_OFFSET),
        kafka_lag=gauge(names.KAFKA_LAG),
        kafka_event_age=gauge(names.KAFKA_EVENT_AGE_SECONDS),
        event_to_kafka=freshness(names.EVENT_TO_KAFKA_SECONDS),
        redis_up=gauge(names.REDIS_UP),
        redis_used=gauge(names.REDIS_USED_BYTES),
        redis_limit=gauge(names.REDIS_LIMIT_BYTES),
        learner_silence=gauge(names.LEARNER_SILENCE_SECONDS),
        learner_watermark_age=gauge(names.LEARNER_WATERMARK_AGE_SECONDS),
        model_data_age=gauge(names.MODEL_DATA_AGE_SECONDS),
        model_retrained_age=gauge(names.MODEL_RETRAINED_AGE_SECONDS),
        click_to_label=freshness(names.CLICK_TO_LABEL_SECONDS),
        labels=counter(names.LABELS),
        ad_impressions=counter(names.AD_IMPRESSIONS),
        ad_clicks=counter(names.AD_CLICKS),
        ad_revenue_micros=counter(names.AD_REVENUE_MICROS),
        dead_letters=counter(names.DEAD_LETTERS),
        pcoc=gauge(names.SERVED_PCOC),
        clicks=gauge(names.SERVED_CLICKS),
        log_loss=gauge(names.SERVED_LOG_LOSS),
        auc=gauge(names.SERVED_AUC),
        psi=gauge(names.FEATURE_PSI),
        kl=gauge(names.FEATURE_KL),
        default_share=gauge(names.FEATURE_DEFAULT_SHARE),
    )
