"""Which ads a policy would like to see more of, by their impressions and clicks of a day.

The pool is renewed in the background; requests draw from it. Both policies see an ad's CTR as a
Beta distribution, whose prior is the CTR of all ads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Doubles = NDArray[np.float64]
#: What an ad without impressions is worth knowing: its prior counts as so many.
PRIOR_IMPRESSIONS = 10.0
_GRID = 512


@dataclass(frozen=True, slots=True)
class Pool:
    """Slots [m], and how likely the policy draws each of them [m]; they sum to 1 unless m is 0."""

    slots: NDArray[np.int32]
    probabilities: Doubles

    @classmethod
    def empty(cls) -> "Pool":
        """Nothing to draw."""
        return cls(np.empty(0, np.int32), np.empty(0))


def ucb(
    slots: NDArray[np.int32],
    impressions: NDArray[np.float32],
    clicks: NDArray[np.float32],
    overall_ctr: float,
    size: int,
) -> Pool:
    """The ``size`` ads with the highest upper confidence bounds, drawn evenly.

    UCB1-Tuned (Auer et al., Machine Learning 2002, section 4). Counters come seconds after the
    impressions: drawing one of several keeps them from all going to the first meanwhile.
    """
    shown = impressions + PRIOR_IMPRESSIONS
    ctrs = (clicks + overall_ctr * PRIOR_IMPRESSIONS) / shown
    rounds = np.log(max(float(shown.sum()), np.e)) / shown
    variance = ctrs * (1.0 - ctrs) + np.sqrt(2.0 * rounds)
    bounds = ctrs + np.sqrt(rounds * np.minimum(0.25, variance))
    best = _best(bounds, size)
    return Pool(slots[best], np.full(len(best), 1.0 / max(1, len(best))))


def thompson(
    slots: NDArray[np.int32],
    impressions: NDArray[np.float32],
    clicks: NDArray[np.float32],
    overall_ctr: float,
    size: int,
    random: np.random.Generator,
) -> Pool:
    """Thompson sampling (Thompson, 1933; Chapelle & Li, NIPS'11) in two steps.

    Every ad's CTR is sampled once and the ``size`` highest are kept; a request draws one of these
    as likely as its CTR is the highest of them, which is the choice of another round of samples.
    """
    won = clicks + overall_ctr * PRIOR_IMPRESSIONS
    lost = np.maximum(impressions - clicks, 0.0) + (1.0 - overall_ctr) * PRIOR_IMPRESSIONS
    best = _best(random.beta(won, lost), size)
    return Pool(slots[best], highest_of(won[best], lost[best]))


def highest_of(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> Doubles:
    """How likely each of m independent Beta(a, b) variables is the highest [m]; they sum to 1.

    ∫ f_i Π_{j≠i} F_j by midpoints on a grid that is even in the m variables' quantiles. Not Monte
    Carlo, and what a quadrature misses does no harm: it is this distribution that is drawn from.
    """
    if len(a) <= 1:
        return np.ones(len(a))
    edges = _grid(a, b)
    below = betainc(a[:, None], b[:, None], edges)
    mass = np.diff(below, axis=1)
    middle = np.log(np.maximum(0.5 * (below[:, 1:] + below[:, :-1]), 1e-300))
    others = np.exp(middle.sum(axis=0) - middle)
    probabilities: Doubles = (mass * others).sum(axis=1)
    normalised: Doubles = probabilities / probabilities.sum()
    return normalised


def _grid(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> Doubles:
    """Edges [_GRID + 1] in [0, 1]: fine where the variables are, by means and deviations."""
    mean = a / (a + b)
    deviation = np.sqrt(mean * (1.0 - mean) / (a + b + 1.0))
    steps = np.linspace(-6.0, 12.0, 181)
    points = np.sort(np.clip(mean[:, None] + deviation[:, None] * steps, 0.0, 1.0), axis=None)
    chosen = points[np.linspace(0, len(points) - 1, _GRID - 1).astype(int)]
    return np.concatenate(([0.0], chosen, [1.0]))


def _best(values: NDArray[np.floating[Any]], count: int) -> NDArray[np.int64]:
    if len(values) <= count:
        return np.arange(len(values))
    worse = len(values) - count
    best: NDArray[np.int64] = np.argpartition(values, worse)[worse:]
    return best
