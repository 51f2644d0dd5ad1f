"""``python -m streaming monitor``: start-up checks, metrics, a clean end on SIGTERM."""

import signal
import sys

import structlog
import typer
from prometheus_client import REGISTRY, start_http_server

from schemas import topics
from schemas.features import FeatureError
from schemas.settings import SettingsError
from streaming.monitor.metrics import monitor_metrics
from streaming.readiness import NotReady, require_redis, require_topics
from streaming.start_up import JobInputs

_log = structlog.get_logger(__name__)


def monitor() -> None:
    """Watch lag, freshness, calibration, drift and dead letters. Exit code 2: cannot start."""
    from streaming.monitor.monitor import Monitor

    try:
        inputs = JobInputs.load()
        settings = inputs.streaming
        require_topics(inputs.shared.kafka, topics.ALL, settings.ready_timeout_seconds)
        require_redis(inputs.shared.redis, settings.ready_timeout_seconds)
        start_http_server(settings.metrics_port_monitor)
    except (SettingsError, FeatureError, NotReady, OSError) as error:
        print(f"streaming: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    running = Monitor(inputs.shared, settings, inputs.spec, monitor_metrics(REGISTRY))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop())
    _log.info("monitor", port=settings.metrics_port_monitor)
    running.run()
