"""Prometheus metrics of the stand-in ad server."""

from prometheus_client import CollectorRegistry, start_http_server

from schemas import metric_names as names
from schemas import metrics


class AdServerMetrics:
    """Objects of one ad server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = metrics.counter(names.ADSERVER_EVENTS, self.registry)
        self.request_seconds = metrics.histogram(
            names.ADSERVER_REQUEST_SECONDS, names.LATENCY_BUCKETS, self.registry
        )

    def serve(self, port: int) -> None:
        """Answer scrapes on a port; 0 serves none. Raises OSError if the port is taken."""
        if port:
            start_http_server(port, registry=self.registry)
