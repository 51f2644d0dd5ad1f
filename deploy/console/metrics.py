"""What the console says of itself to Prometheus."""

from prometheus_client import CollectorRegistry

from schemas import metric_names as names
from schemas import metrics


class ConsoleMetrics:
    """Objects of one console, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.actions = metrics.counter(names.CONSOLE_ACTIONS, self.registry)
        self.source_up = metrics.gauge(names.CONSOLE_SOURCE_UP, self.registry)
        self.streams = metrics.gauge(names.CONSOLE_STREAMS, self.registry)
