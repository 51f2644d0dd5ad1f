"""Follows the base rate: shifts of the logit, learnt from the label stream, that forget.

Each shift is the intercept of a logistic regression whose offset is the model's logit, learnt by
online Newton steps with bounded curvature: a Kalman filter on a drifting weight (West, Harrison &
Migon, JASA 1985). Short memories follow a market that falls within some tens of clicks, long ones
are exact while it stands; they are mixed by how well they did lately, with the fixed-share update
of Herbster & Warmuth (Machine Learning 32, 1998). One of them never shifts, so a model that is
right loses next to nothing. What is served is one shift, their mean: log loss is convex in the
logit, so the mean loses no more than they do on average, and one number is easily published.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
FLOOR = 1e-6
#: Curvature that is remembered, which is about that many expected clicks; the last never moves.
MEMORIES = np.array([20.0, 100.0, 500.0, np.inf])
#: The best memory is expected to change once in so many clicks.
SWITCH_CLICKS = 200.0
#: No market moves further: thousands of clicks in one step overshoot, and odds must stay finite.
LARGEST_SHIFT = 10.0


class BaseRateShift:
    """Two verbs: :meth:`probabilities` changes nothing, :meth:`learn` takes labels in order."""

    def __init__(self) -> None:
        self._shifts = np.zeros(len(MEMORIES))
        self._curvature = MEMORIES.copy()
        self._weights = np.full(len(MEMORIES), 1.0 / len(MEMORIES))

    def state(self) -> list[list[float]]:
        """All that :meth:`from_state` needs; finite numbers."""
        finite = np.minimum(self._curvature, np.finfo(np.float64).max)
        return [self._shifts.tolist(), finite.tolist(), self._weights.tolist()]

    @classmethod
    def from_state(cls, state: Sequence[Sequence[float]]) -> "BaseRateShift":
        """Goes on from :meth:`state`, bit for bit. Raises ValueError."""
        new = cls()
        if not state:
            return new
        shifts, curvature, weights = (np.array(part, np.float64) for part in state)
        if not shifts.shape == curvature.shape == weights.shape == MEMORIES.shape:
            raise ValueError(f"base rate: expected {len(MEMORIES)} memories")
        new._shifts, new._weights = shifts, weights
        new._curvature = np.where(np.isinf(MEMORIES), np.inf, curvature)
        return new

    def copy(self) -> "BaseRateShift":
        """One that goes its own way."""
        return BaseRateShift.from_state(self.state())

    @property
    def shift(self) -> float:
        """What is added to the logit, 0 at first."""
        return float(self._weights @ self._shifts)

    def probabilities(self, predicted: Floats) -> NDArray[np.float64]:
        """Probabilities [n] of the model -> what they are at the base rate of now [n]."""
        return _shifted(predicted, self.shift)

    def learn(
        self,
        predicted: Floats,
        labels: NDArray[Any],
        first: NDArray[np.bool_],
        weights: Floats,
    ) -> None:
        """The model's probabilities [n] of samples, their labels and their weights [n].

        A sample that is not ``first`` corrects an earlier one with label 0, which counts no longer.
        """
        if not len(labels):
            return
        p = _shifted(np.asarray(predicted)[:, None], self._shifts)
        w, y, is_first = np.asarray(weights)[:, None], np.asarray(labels)[:, None], first[:, None]
        no_click = np.log1p(-p)
        likelihood = np.where(y > 0.5, np.log(p) - np.where(is_first, 0.0, no_click), no_click)
        self._reweigh(np.sum(w * likelihood, axis=0), float(np.sum(w * y)))
        seen = w * is_first
        self._curvature = np.minimum(self._curvature, MEMORIES) + np.sum(seen * p * (1 - p), axis=0)
        moved = self._shifts + np.sum(w * y - seen * p, axis=0) / self._curvature
        self._shifts = np.clip(moved, -LARGEST_SHIFT, LARGEST_SHIFT)

    def _reweigh(self, likelihood: NDArray[np.float64], clicks: float) -> None:
        # A memory whose weight has underflowed comes back by switching, not by its likelihood.
        best = likelihood[self._weights > 0].max()
        weights = self._weights * np.exp(np.minimum(likelihood - best, 0.0))
        switched = 1.0 - np.exp(-clicks / SWITCH_CLICKS)
        self._weights = (1 - switched) * weights / weights.sum() + switched / len(MEMORIES)


def _shifted(predicted: Floats, shift: Floats | float) -> NDArray[np.float64]:
    p = np.clip(np.asarray(predicted, np.float64), FLOOR, 1.0 - FLOOR)
    odds = p / (1.0 - p) * np.exp(shift)
    shifted: NDArray[np.float64] = np.clip(odds / (1.0 + odds), FLOOR, 1.0 - FLOOR)
    return shifted
