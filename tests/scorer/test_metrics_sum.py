"""Sums over processes that die, are started again, or do not answer."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from scorer.metrics_sum import MetricsSum


class Process:
    """One that exports a counter and a gauge."""

    def __init__(self, folder: Path, name: str) -> None:
        registry = CollectorRegistry()
        self.requests = Counter("requests", "", registry=registry)
        self.ads = Gauge("ads", "", registry=registry)
        self._server, self._thread = start_http_server(0, "127.0.0.1", registry)
        (folder / f"metrics-{name}").write_text(str(self._server.server_port))

    def die(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def told(summed: CollectorRegistry) -> tuple[float | None, float | None]:
    return summed.get_sample_value("requests_total"), summed.get_sample_value("ads")


def test_a_counter_never_falls(tmp_path: Path) -> None:
    summed = CollectorRegistry()
    summed.register(MetricsSum(tmp_path))
    first, second = Process(tmp_path, "worker-0"), Process(tmp_path, "worker-1")
    first.requests.inc(10)
    second.requests.inc(5)
    first.ads.set(40)
    second.ads.set(41)
    assert told(summed) == (15, 41)
    second.die()
    first.requests.inc(1)
    assert told(summed) == (16, 41)
    again = Process(tmp_path, "worker-1")
    again.requests.inc(2)
    assert told(summed) == (18, 40)
    assert told(summed) == (18, 40)
    first.die()
    again.die()
