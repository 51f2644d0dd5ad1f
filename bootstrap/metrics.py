"""What a training leaves for Prometheus, as a text file: the process ends before any scrape."""

from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile

from bootstrap.training import TrainedPackage
from schemas import metric_names, metrics
from schemas.settings import SettingsError


def write_metrics(path: Path, trained: list[TrainedPackage]) -> None:
    """For the text-file collector of node_exporter; replaced atomically. Raises SettingsError."""
    registry = CollectorRegistry()
    rows = metrics.gauge(metric_names.TRAINED_ROWS, registry)
    seconds = metrics.gauge(metric_names.TRAINED_SECONDS, registry)
    log_loss = metrics.gauge(metric_names.TRAINED_LOG_LOSS, registry)
    auc = metrics.gauge(metric_names.TRAINED_AUC, registry)
    pcoc = metrics.gauge(metric_names.TRAINED_PCOC, registry)
    for item in trained:
        model = item.package.manifest.model
        rows.labels(model).set(item.rows)
        seconds.labels(model).set(item.seconds)
        log_loss.labels(model).set(item.validation.log_loss)
        if item.validation.auc is not None:
            auc.labels(model).set(item.validation.auc)
        if item.validation.pcoc is not None:
            pcoc.labels(model).set(item.validation.pcoc)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise SettingsError(f"CTR_BOOTSTRAP_METRICS_FILE: {error}") from None
