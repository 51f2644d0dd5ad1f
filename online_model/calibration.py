"""Fits what turns a score into a probability: isotonic (default) or Platt, on unseen data.

Isotonic regression is centred (Oron & Flournoy, 2017): each level of the step function becomes a
knot at its mean score, and lines join them, so order is kept and little is read from few rows.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from online_model.quality import log_loss
from schemas.calibration import Calibration

MethodChoice = Literal["isotonic", "platt", "best"]
Floats = NDArray[np.floating[Any]]
PLATT_REACH = 15.0


def fit_calibration(
    method: MethodChoice, logits: Floats, labels: NDArray[Any], bin_rows: int
) -> Calibration:
    """From scores [n] and labels [n] in the order of time; the identity if one class is absent.

    ``best`` takes what is better on the later half when fitted on the earlier one.
    """
    clicks = float(np.sum(labels))
    if not 0 < clicks < len(labels):
        return Calibration()
    if method == "platt":
        return _platt(logits, labels)
    if method == "isotonic":
        return _isotonic(logits, labels, bin_rows)
    half = len(labels) // 2
    losses: dict[MethodChoice, float] = {}
    choices: tuple[MethodChoice, ...] = ("isotonic", "platt")
    for choice in choices:
        earlier = fit_calibration(choice, logits[:half], labels[:half], bin_rows)
        losses[choice] = log_loss(labels[half:], earlier.probabilities(logits[half:]))
    best = min(losses, key=lambda choice: losses[choice])
    return fit_calibration(best, logits, labels, bin_rows)


def _platt(logits: Floats, labels: NDArray[Any]) -> Calibration:
    """logit p = a·score + b (Platt, 1999). A slope that is not positive says: do not touch."""
    fitted = LogisticRegression(C=1e6).fit(np.asarray(logits, np.float64)[:, None], labels)
    slope, shift = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:
        return Calibration()
    ends = np.array([-PLATT_REACH, PLATT_REACH])
    return Calibration(
        method="platt", logits=tuple(ends.tolist()), outputs=tuple((slope * ends + shift).tolist())
    )


def _isotonic(logits: Floats, labels: NDArray[Any], bin_rows: int) -> Calibration:
    order = np.argsort(logits, kind="stable")
    bins = np.array_split(order, max(1, len(order) // bin_rows))
    rows = np.array([len(chosen) for chosen in bins], np.float64)
    scores = np.array([np.mean(logits[chosen], dtype=np.float64) for chosen in bins])
    # Half a click and half a non-click are added, so that no level is 0 or 1.
    rates = np.array([(labels[chosen].sum() + 0.5) / (len(chosen) + 1.0) for chosen in bins])
    fitted = IsotonicRegression().fit_transform(scores, rates, sample_weight=rows)
    levels, level_of = np.unique(fitted, return_inverse=True)
    weight = np.bincount(level_of, rows)
    centres = np.bincount(level_of, rows * scores) / weight
    outputs = np.log(levels) - np.log1p(-levels)
    distinct = np.concatenate([[True], np.diff(centres) > 0])
    return Calibration(
        method="isotonic",
        logits=tuple(centres[distinct].tolist()),
        outputs=tuple(outputs[distinct].tolist()),
    )
