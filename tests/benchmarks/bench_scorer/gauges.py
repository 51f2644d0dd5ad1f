"""What a scorer says of itself: /metrics; and /proc for CPU and memory of all its processes."""

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

import psutil
from prometheus_client.parser import text_string_to_metric_families

from schemas import metric_names
from tests.benchmarks.process_tree import cpu_seconds, family

STAGE_SUM = f"{metric_names.STAGE_SECONDS.name}_sum"
STAGE_COUNT = f"{metric_names.STAGE_SECONDS.name}_count"
REQUESTS = f"{metric_names.REQUESTS.name}_total"
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True, slots=True)
class Reading:
    """One look: ``cpu_seconds`` since the start, all processes and threads together."""

    cpu_seconds: float
    samples: Samples

    def total(self, name: str, **labels: str) -> float:
        """Sum of the samples of a name that have these labels."""
        return sum(
            value
            for (sample, found), value in self.samples.items()
            if sample == name and set(labels.items()) <= set(found)
        )

    def labelled(self, name: str, label: str) -> dict[str, float]:
        """Sums of a name's samples by one label."""
        sums: dict[str, float] = {}
        for (sample, found), value in self.samples.items():
            if sample == name:
                key = dict(found).get(label, "")
                sums[key] = sums.get(key, 0.0) + value
        return sums


@dataclass(frozen=True, slots=True)
class Gauges:
    """Reads a process and its children."""

    pid: int
    metrics_port: int

    def read(self) -> Reading:
        """Now."""
        return Reading(cpu_seconds(self.pid), self.samples())

    def samples(self) -> Samples:
        """Of /metrics."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def active_ads(self) -> int:
        """Ads in memory, 0 while the metric is not there."""
        return int(Reading(0.0, self.samples()).total(metric_names.ADS.name))

    def memory_bytes(self) -> int:
        """Proportional set size of all processes: what they share counts once."""
        total = 0
        for process in family(self.pid):
            try:
                total += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return total


def rungs_between(before: Reading, after: Reading) -> dict[str, int]:
    """Answers by rung."""
    old, new = (reading.labelled(REQUESTS, "rung") for reading in (before, after))
    counts = {rung: round(new[rung] - old.get(rung, 0.0)) for rung in new if rung}
    return {rung: count for rung, count in counts.items() if count}


def stages_between(before: Reading, after: Reading, requests: int) -> dict[str, float]:
    """Microseconds a request by stage, on the clock: on one busy core the CPU time and a wait."""
    old, new = (reading.labelled(STAGE_SUM, "stage") for reading in (before, after))
    return {
        stage: round((new[stage] - old.get(stage, 0.0)) / max(1, requests) * 1e6, 1)
        for stage in sorted(new)
    }
