"""Metrics of all processes of a scorer as one: counters and histograms add up, gauges take the
largest."""

import urllib.error
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

    def collect(self) -> Iterator[Metric]:
        """What all processes that answer say; one that is being restarted is left out."""
        families: dict[str, Metric] = {}
        values: dict[str, dict[_Key, float]] = {}
        for page in self._pages():
            for family in text_string_to_metric_families(page):
                families.setdefault(family.name, family)
                into = values.setdefault(family.name, {})
                for sample in family.samples:
                    key = (sample.name, tuple(sorted(sample.labels.items())))
                    known = into.get(key, 0.0)
                    largest = family.type == "gauge" or sample.name.endswith("_created")
                    into[key] = max(known, sample.value) if largest else known + sample.value
        for name, family in families.items():
            merged = Metric(name, family.documentation, family.type)
            for (sample_name, labels), value in values[name].items():
                merged.add_sample(sample_name, dict(labels), value)
            yield merged

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before the processes run."""
        return iter(())

    def _pages(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("metrics-*")):
            url = f"http://127.0.0.1:{path.read_text()}/metrics"
            try:
                with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
                    yield answer.read().decode()
            except (urllib.error.URLError, OSError, ValueError):
                continue
