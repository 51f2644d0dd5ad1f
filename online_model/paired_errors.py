"""How well a difference of two models is known that were tested on the same rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from online_model.quality import log_losses

Floats = NDArray[np.floating[Any]]


def log_loss_difference_error(
    labels: NDArray[Any], one: Floats, other: Floats, weights: Floats
) -> float:
    """Standard error of the difference of mean log losses; rows [n], weighted."""
    differences = log_losses(labels, one) - log_losses(labels, other)
    share = np.asarray(weights, np.float64) / np.sum(weights)
    away = differences - share @ differences
    return float(np.sqrt(np.sum(np.square(share * away))))


def auc_difference_error(labels: NDArray[Any], one: Floats, other: Floats) -> float:
    """Standard error of the difference of AUCs (DeLong et al., Biometrics 44, 1988), by ranks (Sun
    & Xu, IEEE SPL 21, 2014); rows [n] without weights. Infinite with fewer than two of a class."""
    clicked = np.asarray(labels) > 0.5
    if min(clicked.sum(), (~clicked).sum()) < 2:
        return float("inf")
    by_one, by_other = _parts(one, clicked), _parts(other, clicked)
    differences = [first - second for first, second in zip(by_one, by_other, strict=True)]
    return float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in differences)))


def _parts(
    scores: Floats, clicked: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each click and each other row adds to the AUC: the share that it is ranked right to."""
    ranks = rankdata(scores)
    m, n = int(clicked.sum()), int((~clicked).sum())
    by_click = (ranks[clicked] - rankdata(scores[clicked])) / n
    by_other = 1.0 - (ranks[~clicked] - rankdata(scores[~clicked])) / m
    return by_click, by_other
