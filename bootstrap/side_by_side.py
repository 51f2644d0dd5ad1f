"""Two learners on the same labels, each batch predicted by both before either learns it: metrics of
one with those of the other as ``live_…``, as a manifest has them and the gate compares them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bootstrap.publishing import LIVE
from bootstrap.training import numbers
from online_model.learning.learn_report import LearnReport
from online_model.paired_errors import auc_difference_error, log_loss_difference_error
from online_model.quality import quality

#: With fewer, calibration is known worse than to a fifth of itself: 3 / √200.
LEAST_CLICKS = 200
_COLUMNS: tuple[Callable[[LearnReport], NDArray[Any]], ...] = (
    attrgetter("labels"),
    attrgetter("weights"),
    attrgetter("predicted"),
    attrgetter("first"),
)


@dataclass(slots=True)
class SideBySide:
    """Reports of both learners, batch by batch."""

    own: list[LearnReport] = field(default_factory=list)
    live: list[LearnReport] = field(default_factory=list)

    def add(self, own: LearnReport, live: LearnReport) -> None:
        """What both did with the same batch."""
        self.own.append(_without_rows(own))
        self.live.append(_without_rows(live))

    def metrics(self, share: float = 1.0) -> dict[str, float]:
        """Of the last ``share`` of the labels; {} if it has none."""
        labels, weights, own = _judged(self.own, share)
        _, _, live = _judged(self.live, share)
        if not weights.sum() > 0:
            return {}
        given = weights > 0
        others = numbers(quality(labels, live, weights)) | {
            "log_loss_difference_error": log_loss_difference_error(labels, own, live, weights),
            "auc_difference_error": auc_difference_error(labels[given], own[given], live[given]),
        }
        measured = numbers(quality(labels, own, weights))
        return measured | {f"{LIVE}{name}": value for name, value in others.items()}


def is_enough(metrics: Mapping[str, float], least_clicks: int = LEAST_CLICKS) -> bool:
    """Clicks, and impressions without one, to say which of the two is better."""
    return least_clicks <= metrics.get("clicks", 0) < metrics.get("rows", 0)


def _without_rows(report: LearnReport) -> LearnReport:
    """The rows that changed are the most of a report: of an hour they would fill the memory."""
    return replace(report, ids=report.ids[:0].copy(), values=report.values[:0].copy())


def _judged(reports: list[LearnReport], share: float) -> list[NDArray[np.float64]]:
    """Labels [n], weights [n] and predictions [n]. A late click takes back the negative that was
    counted for its impression, by a row of negative weight."""
    parts = [np.concatenate([np.zeros(0), *(of(report) for report in reports)]) for of in _COLUMNS]
    begin = round(len(parts[0]) * (1.0 - share))
    labels, weights, predicted, first = (part[begin:] for part in parts)
    late = first < 0.5
    return [
        np.append(labels, np.zeros(int(late.sum()))),
        np.append(weights, -weights[late]),
        np.append(predicted, predicted[late]),
    ]
