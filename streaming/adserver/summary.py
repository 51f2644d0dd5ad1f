"""The summary of a play, as JSON and as a table."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from streaming.adserver.player import Tally
from streaming.adserver.validation import CalibrationBin, Validation, Window


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the scorer, as the client sees it, ms; ``histogram`` counts by ``edges_ms``."""

    calls: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    edges_ms: list[float]
    histogram: list[int]


@dataclass(frozen=True, slots=True)
class PlaySummary:
    """What was asked, sent and served. ``sent`` counts what the broker acknowledged, by topic."""

    source: str
    seed: int
    seconds: float
    asked: int
    answered: int
    unanswered: dict[str, int]
    rungs: dict[str, int]
    sent: dict[str, int]
    clicks_not_sent: int
    model_version: str
    latency: Latency | None
    validation: Validation | None
    curve: list[Window]
    calibration: list[CalibrationBin]
    report: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def table(self) -> Table:
        """For the screen."""
        table = Table("what", "value", title=f"ad server: {self.source}, {self.seconds:.0f} s")
        table.add_row("requests", f"{self.answered:,} of {self.asked:,} answered")
        for code, count in self.unanswered.items():
            table.add_row(f"  unanswered, {code}", f"{count:,}")
        table.add_row("rungs", ", ".join(f"{n} {c:,}" for n, c in self.rungs.items()))
        for topic, count in self.sent.items():
            table.add_row(f"sent to {topic}", f"{count:,}")
        if self.clicks_not_sent:
            table.add_row("clicks not sent (stopped)", f"{self.clicks_not_sent:,}")
        if self.latency:
            latency = self.latency
            table.add_row("p50 / p99", f"{latency.p50_ms:.1f} / {latency.p99_ms:.1f} ms")
        if self.validation:
            for name, of in (
                ("served", self.validation.served),
                ("frozen", self.validation.frozen),
                ("constant", self.validation.constant),
            ):
                if of is not None:
                    auc = "–" if of.auc is None else f"{of.auc:.4f}"
                    pcoc = "–" if of.pcoc is None else f"{of.pcoc:.3f}"
                    text = f"log loss {of.log_loss:.4f}, AUC {auc}, PCOC {pcoc}"
                    table.add_row(f"{name}, {self.validation.rows:,} rows", text)
            if self.validation.entropy is not None:
                table.add_row("log loss of the truth", f"{self.validation.entropy:.4f}")
        for name, value in self.report.items():
            table.add_row(name.replace("_", " "), f"{value:,.4g}")
        return table


def latency(tally: Tally) -> Latency | None:
    """Quantiles of the latencies kept; None without any."""
    if not tally.latencies:
        return None
    values = np.array(tally.latencies) * 1000.0
    p50, p90, p99 = (float(value) for value in np.percentile(values, (50, 90, 99)))
    edges = np.geomspace(0.5, 1000.0, 34)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return Latency(len(values), p50, p90, p99, edges.tolist(), counts.tolist())
