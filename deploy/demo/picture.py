"""The run as one picture: learning curve, calibration plot, latency histogram."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from streaming.adserver.summary import PlaySummary
from streaming.adserver.validation import Scores, Window

SERVED, FROZEN, CONSTANT = "tab:blue", "tab:orange", "tab:gray"


def draw(summary: PlaySummary, path: Path) -> None:
    """Write a PNG. Raises OSError if the path cannot be written."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(12, 7), layout="constrained")
        axes = figure.subplots(2, 2)
        _curve(axes[0, 0], summary, "log loss", lambda scores: scores.log_loss)
        _curve(axes[0, 1], summary, "AUC", lambda scores: scores.auc)
        _calibration(axes[1, 0], summary)
        _latency(axes[1, 1], summary)
        rows = summary.validation.rows if summary.validation else 0
        figure.suptitle(f"{summary.source}: {rows:,} impressions judged, {summary.seconds:.0f} s")
        figure.savefig(path, dpi=110, format="png")


def _curve(
    axes: Axes, summary: PlaySummary, name: str, value: Callable[[Scores], float | None]
) -> None:
    lines: tuple[tuple[str, str, Callable[[Window], Scores | None]], ...] = (
        ("served: learns as it goes", SERVED, lambda window: window.served),
        ("frozen after bootstrap", FROZEN, lambda window: window.frozen),
        ("constant: the rate so far", CONSTANT, lambda window: window.constant),
    )
    for label, colour, chosen in lines:
        points = [
            (window.rows, got)
            for window in summary.curve
            if (scores := chosen(window)) is not None and (got := value(scores)) is not None
        ]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, color=colour, marker=".")
    axes.set(title=f"learning curve: {name} by slice", xlabel="impressions", ylabel=name)
    if summary.curve:
        axes.legend(frameon=False)


def _calibration(axes: Axes, summary: PlaySummary) -> None:
    bins = summary.calibration
    predicted = [each.predicted for each in bins]
    top = max([*predicted, *(each.observed for each in bins), 0.01]) * 1.05
    axes.plot([0, top], [0, top], color=CONSTANT, linestyle=":", label="perfect")
    axes.plot(predicted, [each.observed for each in bins], "o-", color=SERVED, label="clicked")
    truth = [(each.predicted, each.truth) for each in bins if each.truth is not None]
    if truth:
        axes.plot(*zip(*truth, strict=True), "x", color="tab:green", label="true probability")
    pcoc = summary.validation.served.pcoc if summary.validation else None
    text = "" if pcoc is None else f" (predicted / observed clicks {pcoc:.3f})"
    axes.set(title=f"calibration{text}", xlabel="served probability", ylabel="share clicked")
    axes.legend(frameon=False)


def _latency(axes: Axes, summary: PlaySummary) -> None:
    latency = summary.latency
    if latency is None:
        axes.set(title="latency: no answers")
        return
    axes.stairs(latency.histogram, latency.edges_ms, fill=True, color=SERVED, alpha=0.6)
    for value, name in ((latency.p50_ms, "p50"), (latency.p99_ms, "p99")):
        axes.axvline(value, color="black", linestyle="--", linewidth=0.8)
        axes.annotate(f" {name} {value:.1f} ms", (value, 0.92), xycoords=("data", "axes fraction"))
    axes.set(title="latency of the scorer as the ad server sees it", xlabel="ms", ylabel="calls")
    axes.set_xscale("log")
