"""How far two distributions over the same bins are apart; 0 if they are the same."""

import numpy as np
from numpy.typing import NDArray

#: A bin counts as if it held this much more: one that was never seen does not make it infinite.
PRIOR_ROWS = 0.5

Floats = NDArray[np.float64]


def shares(counts: Floats) -> Floats:
    """Counts [b] as smoothed shares, all above 0."""
    smoothed: Floats = (counts + PRIOR_ROWS) / (counts.sum() + PRIOR_ROWS * len(counts))
    return smoothed


def kullback_leibler(now: Floats, reference: Floats) -> float:
    """KL(now ‖ reference) of shares [b], in nats (Kullback and Leibler, 1951)."""
    return float(np.sum(now * np.log(now / reference)))


def population_stability(now: Floats, reference: Floats) -> float:
    """PSI = KL(now ‖ reference) + KL(reference ‖ now), of shares [b] (Siddiqi, 2006).

    By custom below 0.1 is stable and above 0.25 is a shift; of n rows in b bins chance alone
    makes about (b − 1) / n.
    """
    return kullback_leibler(now, reference) + kullback_leibler(reference, now)
