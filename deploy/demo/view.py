"""A run as it is watched: a live table on a terminal, a line every few seconds otherwise."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.demo.watch import Sight
from deploy.scrape import Histogram
from streaming.adserver.validation import Scores, Validation


def panel(title: str, sight: Sight, notes: Sequence[str]) -> RenderableType:
    """The live view."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(sight):
        facts.add_row(f"[bold]{name}[/bold]", value)
    parts: list[RenderableType] = [facts]
    if sight.total is not None and sight.recent is not None:
        parts.append(quality(sight.total, sight.recent))
    parts.extend(Text(note, style="yellow") for note in notes)
    return Panel(Group(*parts), title=title)


def line(sight: Sight) -> str:
    """One line with the same facts."""
    facts = [f"{name} {value}" for name, value in _facts(sight)]
    if sight.recent is not None:
        recent = sight.recent
        losses = f"log loss {recent.served.log_loss:.4f} constant {recent.constant.log_loss:.4f}"
        if recent.frozen is not None:
            losses += f" frozen {recent.frozen.log_loss:.4f}"
        facts.append(
            f"{losses} AUC {_number(recent.served.auc)} PCOC {_number(recent.served.pcoc)}"
        )
    return " | ".join(facts)


def quality(total: Validation, recent: Validation) -> Table:
    """Served, frozen and constant side by side, over everything and over the last rows."""
    table = Table(box=None, padding=(0, 2))
    table.add_column("progressive")
    for over in (f"all {total.rows:,} rows", f"last {recent.rows:,} rows"):
        for name in ("log loss", "AUC", "PCOC"):
            table.add_column(f"{name}, {over}" if name == "log loss" else name, justify="right")
    for name in ("served", "frozen", "constant"):
        both: list[Scores | None] = [getattr(total, name), getattr(recent, name)]
        cells = [cell for scores in both if scores for cell in _cells(scores)]
        if cells:
            table.add_row(name, *cells)
    if total.entropy is not None and recent.entropy is not None:
        table.add_row("truth", f"{total.entropy:.4f}", "", "", f"{recent.entropy:.4f}", "", "")
    return table


def milliseconds(histogram: Histogram | None, unit: str = "ms") -> str:
    """p50 / p99 of a histogram of seconds."""
    if histogram is None or not histogram.total:
        return "–"
    factor, digits = (1000.0, 1) if unit == "ms" else (1.0, 2)
    values = [histogram.quantile(q) or 0.0 for q in (0.5, 0.99)]
    if float("inf") in values:
        return "–"
    return " / ".join(f"{factor * value:.{digits}f}" for value in values) + f" {unit}"


def _facts(sight: Sight) -> list[tuple[str, str]]:
    kinds = ", ".join(f"{kind.lower()} {count:,}" for kind, count in sight.kinds.items())
    return [
        ("events/s", f"{sight.events_per_second:,.0f}"),
        ("requests", f"{sight.answered:,} of {sight.asked:,} answered"),
        ("samples", kinds or "none yet"),
        ("learnt", f"{sight.samples_learnt:,.0f}"),
        ("click→counter p50/p99", milliseconds(sight.click_to_counter, "s")),
        ("click→score p50/p99", milliseconds(sight.click_to_score, "s")),
        ("scorer p50/p99", milliseconds(sight.request_seconds)),
        ("model", f"{sight.model_version or '–'}, {sight.rows_applied:,.0f} rows applied"),
    ]


def _cells(scores: Scores) -> tuple[str, str, str]:
    return f"{scores.log_loss:.4f}", _number(scores.auc), _number(scores.pcoc)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
