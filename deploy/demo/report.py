"""The result of a run: for programs (demo.json) and for people (a table)."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.demo import view
from deploy.demo.accounting import Accounts
from deploy.demo.watch import Sight
from deploy.scrape import Histogram
from streaming.adserver.summary import PlaySummary

#: Marks that a two-core machine is expected to make, seconds.
CLICK_TO_COUNTER_P99_SECONDS = 2.0
CLICK_TO_SCORE_P99_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A killed process: when, in seconds of the play, and how long until it was ready again."""

    part: str
    at_seconds: float
    back_after_seconds: float | None


@dataclass(slots=True)
class Report:
    """Grows with the steps of a run; ``failures`` empty means that all is well."""

    source: str
    step_seconds: dict[str, float] = field(default_factory=dict)
    play: PlaySummary | None = None
    sight: Sight | None = None
    accounts: Accounts | None = None
    kill: Kill | None = None
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        sight = self.sight
        return {
            "source": self.source,
            "ok": not self.failures,
            "failures": self.failures,
            "step_seconds": self.step_seconds,
            "play": self.play.as_json() if self.play else None,
            "accounts": self.accounts.as_json() if self.accounts else None,
            "freshness": {
                "click_to_counter": _histogram(sight.click_to_counter) if sight else None,
                "click_to_score": _histogram(sight.click_to_score) if sight else None,
            },
            "scorer_request_seconds": _histogram(sight.request_seconds) if sight else None,
            "rows_applied": sight.rows_applied if sight else 0.0,
            "kill": asdict(self.kill) if self.kill else None,
        }

    def screen(self) -> RenderableType:
        """Everything a person wants to know, failures last."""
        parts: list[RenderableType] = []
        if self.play:
            parts.append(self.play.table())
        if self.accounts:
            parts.append(_accounts(self.accounts))
        if self.sight:
            parts.append(_freshness(self.sight, self.kill))
        parts.extend(Text(f"FAILED {failure}", style="bold red") for failure in self.failures)
        return Group(*parts)


def _histogram(histogram: Histogram | None) -> dict[str, Any] | None:
    if histogram is None or not histogram.total:
        return None
    # JSON knows no infinity: the last bound is given as None.
    bounds = [bound if bound != float("inf") else None for bound in histogram.bounds]
    quantiles = {f"p{round(100 * q)}_seconds": histogram.quantile(q) for q in (0.5, 0.9, 0.99)}
    finite = {k: v if v != float("inf") else None for k, v in quantiles.items()}
    return {
        "count": histogram.total,
        **finite,
        "bounds_seconds": bounds,
        "cumulative": list(histogram.counts),
    }


def _accounts(accounts: Accounts) -> Table:
    table = Table("account", "sent", "in Kafka", "ended as", title="accounts, from Kafka's counts")
    table.add_row(
        "impressions",
        f"{accounts.impressions_sent:,}",
        f"{accounts.impressions_in_kafka:,}",
        f"{accounts.positives:,} positive + {accounts.negatives:,} negative + "
        f"{accounts.impressions_refused:,} refused",
    )
    table.add_row(
        "clicks",
        f"{accounts.clicks_sent:,}",
        f"{accounts.clicks_in_kafka:,}",
        f"{accounts.clicks_matched:,} matched (of them {accounts.corrections:,} late) + "
        f"{accounts.clicks_refused:,} refused + {accounts.clicks_repeated:,} repeated",
    )
    table.add_row(
        "samples",
        "",
        f"{accounts.samples + accounts.samples_repeated:,}",
        f"{accounts.samples_learnt:,} learnt + {accounts.samples_repeated:,} repeated",
    )
    reasons = ", ".join(f"{name} {count:,}" for name, count in accounts.dead_letter_reasons.items())
    table.add_row("dead-letters", "", "", reasons or "none")
    return table


def _freshness(sight: Sight, kill: Kill | None) -> Table:
    table = Table("freshness and latency", "p50 / p99", "mark", title="how fast")
    for name, histogram, mark_seconds in (
        ("click → counter in Redis", sight.click_to_counter, CLICK_TO_COUNTER_P99_SECONDS),
        ("click → changed score", sight.click_to_score, CLICK_TO_SCORE_P99_SECONDS),
    ):
        p99 = histogram.quantile(0.99) if histogram else None
        if p99 == float("inf"):
            table.add_row(name, "not measured", "event time is that of a log, long past")
            continue
        met = "" if p99 is None else "met" if p99 <= mark_seconds else "missed"
        text = view.milliseconds(histogram, "s")
        table.add_row(name, text, f"p99 ≤ {mark_seconds:g} s: {met}")
    table.add_row("scorer, in its own process", view.milliseconds(sight.request_seconds), "")
    if kill:
        back = kill.back_after_seconds
        after = "never" if back is None else f"after {back:.0f} s"
        table.add_row(f"{kill.part} killed at {kill.at_seconds:.0f} s", f"ready again {after}", "")
    return table
