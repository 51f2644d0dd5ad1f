"""Progressive quality: each sample is predicted before it is learnt, older ones count less."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from streaming.learning.learner import LearnReport

HALF_LIFE_SAMPLES = 20_000
#: Scores are counted by logit, in bins of a tenth.
_BINS, _WIDTH = 240, 0.1


def _no_scores() -> list[float]:
    return [0.0] * _BINS


@dataclass(slots=True)
class Progress:
    """Sums that decay with the number of first labels; ``samples`` is that of their weights,
    ``clicked`` and ``not_clicked`` are how many there were by score."""

    samples: float = 0.0
    loss: float = 0.0
    predicted: float = 0.0
    observed: float = 0.0
    clicked: list[float] = field(default_factory=_no_scores)
    not_clicked: list[float] = field(default_factory=_no_scores)

    def add(self, report: LearnReport) -> None:
        """A batch."""
        first_labels = int(report.first.sum())
        kept = 0.5 ** (first_labels / HALF_LIFE_SAMPLES)
        weight = float(report.weights[report.first].sum())
        self.samples = kept * self.samples + weight
        self.loss = kept * self.loss + (report.log_loss * weight if first_labels else 0.0)
        self.predicted = kept * self.predicted + report.predicted_sum
        self.observed = kept * self.observed + report.observed_sum
        scores = logit(report.predicted[report.first])
        places = np.clip(scores / _WIDTH + _BINS / 2, 0, _BINS - 1).astype(np.int64)
        is_click = report.labels[report.first] > 0.5
        self.clicked = _added(self.clicked, kept, places[is_click])
        self.not_clicked = _added(self.not_clicked, kept, places[~is_click])

    @property
    def log_loss(self) -> float:
        """Weighted mean log loss, NaN before the first label."""
        return self.loss / self.samples if self.samples else float("nan")

    @property
    def pcoc(self) -> float:
        """Predicted over observed clicks; 1 is calibrated, NaN before the first click."""
        return self.predicted / self.observed if self.observed else float("nan")

    @property
    def auc(self) -> float:
        """Of scores as far as bins tell them apart; NaN until both labels have come."""
        clicked, others = np.array(self.clicked), np.array(self.not_clicked)
        pairs = clicked.sum() * others.sum()
        below = np.cumsum(others) - others / 2
        return float(clicked @ below / pairs) if pairs else float("nan")


def _added(counts: list[float], kept: float, places: NDArray[np.int64]) -> list[float]:
    added: list[float] = (kept * np.array(counts) + np.bincount(places, minlength=_BINS)).tolist()
    return added
