"""Fits what turns a score into a probability: isotonic (default) or Platt, on unseen data.

Isotonic regression is centred (Oron & Flournoy, 2017): each level of the step function becomes a
knot at its mean, and lines join them, so order is kept and little is read from few rows. The mean
is that of probabilities, not of scores: a wide level that is calibrated already stays where it is.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from online_model.quality import log_loss
from schemas.calibration import FLOOR, Calibration

MethodChoice = Literal["isotonic", "platt", "best"]
Floats = NDArray[np.floating[Any]]
PLATT_REACH = 15.0
LARGEST_LOGIT = 20.0


def fit_calibration(
    method: MethodChoice,
    logits: Floats,
    labels: NDArray[Any],
    bin_rows: int,
    weights: Floats | None = None,
) -> Calibration:
    """From scores [n] and labels [n] in the order of time; the identity if one class is absent.

    Weights [n] (1 if none) undo down-sampling: what is fitted is the rate before it.
    ``best`` takes what is better on the later half when fitted on the earlier one.
    """
    clicks = float(np.sum(labels))
    if not 0 < clicks < len(labels):
        return Calibration()
    w = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    if method == "platt":
        return _platt(logits, labels, w)
    if method == "isotonic":
        return _isotonic(logits, labels, bin_rows, w)
    half = len(labels) // 2
    losses: dict[MethodChoice, float] = {}
    choices: tuple[MethodChoice, ...] = ("isotonic", "platt")
    for choice in choices:
        earlier = fit_calibration(choice, logits[:half], labels[:half], bin_rows, w[:half])
        losses[choice] = log_loss(labels[half:], earlier.probabilities(logits[half:]), w[half:])
    best = min(losses, key=lambda choice: losses[choice])
    return fit_calibration(best, logits, labels, bin_rows, w)


def _platt(logits: Floats, labels: NDArray[Any], weights: NDArray[np.float64]) -> Calibration:
    """logit p = a·score + b (Platt, 1999). A slope that is not positive says: do not touch."""
    scores = np.asarray(logits, np.float64)[:, None]
    fitted = LogisticRegression(C=1e6).fit(scores, labels, sample_weight=weights)
    slope, shift = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return platt_of(slope, shift) if slope > 0 else Calibration()


def platt_of(slope: float, shift: float) -> Calibration:
    """logit p = slope·score + shift, with a slope above 0."""
    ends = np.array([-PLATT_REACH, PLATT_REACH])
    return Calibration(
        method="platt", logits=tuple(ends.tolist()), outputs=tuple((slope * ends + shift).tolist())
    )


def _isotonic(
    logits: Floats, labels: NDArray[Any], bin_rows: int, weights: NDArray[np.float64]
) -> Calibration:
    order = np.argsort(logits, kind="stable")
    scores = np.clip(np.asarray(logits, np.float64), -LARGEST_LOGIT, LARGEST_LOGIT)
    p = 1.0 / (1.0 + np.exp(-scores))
    bins = np.array_split(order, max(1, len(order) // bin_rows))
    mass = np.array([weights[chosen].sum() for chosen in bins])
    means = np.array([np.average(p[chosen], weights=weights[chosen]) for chosen in bins])
    clicks = np.array([(weights * labels)[chosen].sum() for chosen in bins])
    # Half a click and half a non-click are added, so that no level is 0 or 1.
    rates = (clicks + 0.5) / (mass + 1.0)
    fitted = IsotonicRegression().fit_transform(means, rates, sample_weight=mass)
    levels, level_of = np.unique(fitted, return_inverse=True)
    centres = _logit(np.bincount(level_of, mass * means) / np.bincount(level_of, mass))
    distinct = np.concatenate([[True], np.diff(centres) > 0])
    return Calibration(
        method="isotonic",
        logits=tuple(centres[distinct].tolist()),
        outputs=tuple(_logit(levels)[distinct].tolist()),
    )


def to_logits(probabilities: Floats) -> NDArray[np.float64]:
    """Of probabilities [n] in [0, 1]; 0 and 1 are taken as the least and most that is served."""
    return _logit(np.clip(np.asarray(probabilities, np.float64), FLOOR, 1.0 - FLOOR))


def undo_down_sampling(logits: Floats, negatives_kept: float) -> NDArray[np.float64]:
    """Logits [n] as before negatives were kept at this share: p/(p + (1 − p)/w) in closed form."""
    if not 0.0 < negatives_kept <= 1.0:
        raise ValueError(f"share of negatives kept is in (0, 1], got {negatives_kept}")
    before: NDArray[np.float64] = np.asarray(logits, np.float64) + np.log(negatives_kept)
    return before


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return logits
