"""What the processes say about themselves: Prometheus text to counters and quantiles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from schemas.metric_names import Metric

TIMEOUT_SECONDS = 2.0
_INFINITY = float("inf")
Labels = Mapping[str, str]


class ScrapeError(RuntimeError):
    """A process does not say how it is; the message has the URL and the reason."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative ``counts`` of values up to each of the ``bounds``, the last one infinite."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        """How many values there are."""
        return self.counts[-1] if self.counts else 0.0

    def quantile(self, q: float) -> float | None:
        """Linear within its bucket, as Prometheus does it; None of no values.

        A quantile beyond the last finite bound is infinite: nobody knows how much more it is.
        """
        if not self.total:
            return None
        wanted = q * self.total
        below, lower = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count >= wanted and count > below:
                if bound == _INFINITY:
                    return _INFINITY
                return lower + (bound - lower) * (wanted - below) / (count - below)
            below, lower = count, bound
        return _INFINITY

    def since(self, earlier: "Histogram | None") -> "Histogram":
        """The values that came after an earlier look; all of them if the process is another."""
        if earlier is None or earlier.bounds != self.bounds or earlier.total > self.total:
            return self
        pairs = zip(self.counts, earlier.counts, strict=True)
        return Histogram(self.bounds, tuple(now - then for now, then in pairs))


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer of a process: sample name to its labels and values."""

    samples: Mapping[str, list[tuple[Labels, float]]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Scrape":
        """From the text format. Raises ValueError on a malformed one."""
        samples: dict[str, list[tuple[Labels, float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples.setdefault(sample.name, []).append((sample.labels, sample.value))
        return cls(samples)

    @classmethod
    def of(cls, port: int) -> "Scrape":
        """From a process of this machine; empty while it does not answer."""
        try:
            return cls.of_url(f"http://127.0.0.1:{port}/metrics")
        except ScrapeError:
            return cls()

    @classmethod
    def of_url(cls, url: str) -> "Scrape":
        """From any process. Raises ScrapeError."""
        try:
            with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
                return cls.parse(answer.read().decode())
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ScrapeError(f"no metrics at {url}: {reason}") from None

    @classmethod
    def together(cls, scrapes: Iterable["Scrape"]) -> "Scrape":
        """Of several processes that share the work."""
        samples: dict[str, list[tuple[Labels, float]]] = {}
        for one in scrapes:
            for name, found in one.samples.items():
                samples.setdefault(name, []).extend(found)
        return cls(samples)

    def value(self, metric: Metric, **labels: str) -> float | None:
        """Sum over all samples of a gauge or counter that have these labels; None of none."""
        found = [
            value
            for name in (metric.name, f"{metric.name}_total")
            for their, value in self.samples.get(name, ())
            if labels.items() <= their.items()
        ]
        return sum(found) if found else None

    def histogram(self, metric: Metric, **labels: str) -> Histogram | None:
        """Summed over all label sets that have these labels; None of none."""
        counts: dict[float, float] = {}
        for their, value in self.samples.get(f"{metric.name}_bucket", ()):
            if labels.items() <= their.items():
                bound = float(their["le"])
                counts[bound] = counts.get(bound, 0.0) + value
        if not counts:
            return None
        bounds = tuple(sorted(counts))
        return Histogram(bounds, tuple(counts[bound] for bound in bounds))
