"""What a retrain came to, as one HTML file with its plots inside."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from bootstrap.held_out import Tested
from online_model.calibration.field_quality import field_calibration_errors, field_ids, field_names
from online_model.quality import log_loss
from online_model.training.package_scorer import PackageScorer
from schemas.layout import Layout

mpl.use("Agg")
from matplotlib.figure import Figure

IMPORTANCE_ROWS = 20_000
STYLE = (
    "body{font:15px sans-serif;max-width:60em;margin:2em auto}"
    "td,th{text-align:left;padding:2px 1em 2px 0}img{max-width:100%}"
)


@dataclass(frozen=True, slots=True)
class Report:
    """``facts`` head the report; ``curve`` has rows learnt and log loss before learning them."""

    title: str
    facts: Mapping[str, Any]
    tested: Tested
    scorer: PackageScorer
    layout: Layout
    curve: Sequence[tuple[int, float]]

    def write(self, path: Path) -> None:
        """Replace the file."""
        rows = "".join(
            f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(_text(value))}</td></tr>"
            for name, value in self.facts.items()
        )
        plots = "".join(
            f"<h2>{html.escape(title)}</h2><img alt='{html.escape(title)}' "
            f"src='data:image/png;base64,{_png(figure)}'>"
            for title, figure in self._figures()
        )
        title = html.escape(self.title)
        path.write_text(
            f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>"
            f"<h1>{title}</h1><table>{rows}</table>{plots}\n"
        )

    def importance(self) -> dict[str, float]:
        """Field -> rise of the log loss when its values are shuffled among rows, largest first
        (Breiman, 2001). Positions and crosses of a field move with it."""
        random = np.random.default_rng(0)
        few = slice(0, IMPORTANCE_ROWS)
        samples, labels = self.tested.samples[few], self.tested.labels[few]
        weights = self.tested.weights[few]
        before = log_loss(labels, self.scorer.probabilities(samples), weights)
        rises = {}
        for name, (part, column) in _columns(self.layout).items():
            shuffled = samples.copy()
            shuffled[part][:, column] = random.permutation(shuffled[part][:, column])
            rises[name] = log_loss(labels, self.scorer.probabilities(shuffled), weights) - before
        return dict(sorted(rises.items(), key=lambda item: -item[1]))

    def _figures(self) -> list[tuple[str, Figure]]:
        tested = self.tested
        labels, p, weights = tested.labels, tested.probabilities, tested.weights
        false, true, _ = roc_curve(labels, p, sample_weight=weights)
        precision, recall, _ = precision_recall_curve(labels, p, sample_weight=weights)
        ids, names = field_ids(tested.samples), field_names(self.layout)
        errors = field_calibration_errors(ids, labels, p, weights)
        by_field = dict(sorted(zip(names, errors, strict=True), key=lambda item: -item[1]))
        predicted, observed = deciles(labels, p, weights)
        return [
            ("ROC", _line(false, true, "false positive rate", "true positive rate", [0, 1])),
            ("Precision and recall", _line(recall, precision, "recall", "precision")),
            (
                "Calibration by decile",
                _line(predicted, observed, "predicted", "observed", [0, max(predicted)], "o-"),
            ),
            ("Calibration by field (Field-ECE)", _bars(by_field, "|observed − predicted|")),
            (
                "Learning curve",
                _line(
                    np.array([rows for rows, _ in self.curve]),
                    np.array([loss for _, loss in self.curve]),
                    "rows learnt",
                    "log loss before learning",
                ),
            ),
            ("Importance by permutation", _bars(self.importance(), "rise of the log loss")),
        ]


def deciles(
    labels: NDArray[np.float32], p: NDArray[np.float64], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean prediction and click rate in ten bins of equal numbers of rows, by prediction."""
    bins = [part for part in np.array_split(np.argsort(p, kind="stable"), 10) if len(part)]
    predicted = [np.average(p[part], weights=weights[part]) for part in bins]
    observed = [np.average(labels[part], weights=weights[part]) for part in bins]
    return np.array(predicted), np.array(observed)


def _columns(layout: Layout) -> dict[str, tuple[str, int]]:
    """Name of a field or number -> its array in a sample and its column there."""
    parts = (
        ("request_ids", [f.name for f in layout.request_categoricals]),
        ("ad_ids", [f.name for f in layout.ad_categoricals]),
        ("request_numbers", layout.number_names[: layout.request_number_count]),
        ("ad_numbers", layout.number_names[layout.request_number_count :]),
    )
    return {
        f"{name} (number)" if part.endswith("numbers") else name: (part, column)
        for part, names in parts
        for column, name in enumerate(names)
    }


def _line(
    x: NDArray[Any],
    y: NDArray[Any],
    x_label: str,
    y_label: str,
    diagonal: Sequence[float] = (),
    style: str = "-",
) -> Figure:
    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    axes.plot(diagonal, diagonal, ":", color="grey")
    axes.plot(x, y, style)
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure


def _bars(values: Mapping[str, float], label: str) -> Figure:
    figure = Figure(figsize=(6, 1 + 0.2 * len(values)))
    axes = figure.subplots()
    axes.barh(list(values)[::-1], list(values.values())[::-1])
    axes.set(xlabel=label)
    return figure


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=80)
    return base64.b64encode(buffer.getvalue()).decode()


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
