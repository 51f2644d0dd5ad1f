"""Metrics of all processes of a scorer as one: counters and histograms add up, gauges take the
largest."""

import http.client
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_TIMEOUT_SECONDS = 1.0
_Key = tuple[str, tuple[tuple[str, str], ...]]


class MetricsSum(Collector):
    """Each process writes the port of its own metrics to a file ``metrics-…`` of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: Of each process the port and what it said last; counters of those that have died.
        self._last: dict[Path, tuple[str, str]] = {}
        self._ended: dict[str, dict[_Key, float]] = {}

    def collect(self) -> Iterator[Metric]:
        """What all processes say, or said last: a sum that falls would look like a restart."""
        families: dict[str, Metric] = {}
        pages = self._pages()
        values = {name: dict(ended) for name, ended in self._ended.items()}
        for page in pages:
            for family in text_string_to_metric_families(page):
                families.setdefault(family.name, family)
                _add(values, family)
        for name, family in families.items():
            merged = Metric(name, family.documentation, family.type)
            for (sample_name, labels), value in values[name].items():
                merged.add_sample(sample_name, dict(labels), value)
            yield merged

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before the processes run."""
        return iter(())

    def _pages(self) -> list[str]:
        for path in sorted(self._folder.glob("metrics-*")):
            port = path.read_text()
            known = self._last.get(path)
            if known is not None and known[0] != port:
                self._end(known[1])
                del self._last[path]
            try:
                url = f"http://127.0.0.1:{port}/metrics"
                with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
                    self._last[path] = (port, answer.read().decode())
            except (http.client.HTTPException, OSError, ValueError):
                continue
        return [page for _, page in self._last.values()]

    def _end(self, page: str) -> None:
        for family in text_string_to_metric_families(page):
            if family.type != "gauge":
                _add(self._ended, family)


def _add(values: dict[str, dict[_Key, float]], family: Metric) -> None:
    into = values.setdefault(family.name, {})
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        known = into.get(key, 0.0)
        largest = family.type == "gauge" or sample.name.endswith("_created")
        into[key] = max(known, sample.value) if largest else known + sample.value
