"""How good probabilities are: log loss, AUC, PCOC and ECE, each over weighted rows if need be.

A row that stands for others which down-sampling dropped counts for as many as it stands for. One of
negative weight takes back what was counted before: the negative of an ad that was clicked later.
The AUC is of ranks, from which nothing can be taken back: it leaves such rows out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.floating[Any]]
FLOOR = 1e-7
ECE_BINS = 20


@dataclass(frozen=True, slots=True)
class Quality:
    """``auc`` is None with one class only, ``pcoc`` without a click. ``rows`` and ``clicks`` are
    counted as they are, without weights, less what was taken back."""

    rows: int
    clicks: int
    log_loss: float
    auc: float | None
    pcoc: float | None
    ece: float


def quality(labels: NDArray[Any], probabilities: Floats, weights: Floats | None = None) -> Quality:
    """Of probabilities [n] for labels [n] in {0, 1} and weights [n] (1 if none), n > 0."""
    w, clicks = _weights(labels, weights), int(np.sum(labels))
    given = w > 0
    both = 0 < clicks < int(given.sum())
    return Quality(
        rows=int(np.sum(np.sign(w))),
        clicks=clicks,
        log_loss=log_loss(labels, probabilities, weights),
        auc=_auc(labels[given], probabilities[given], w[given]) if both else None,
        pcoc=pcoc(labels, probabilities, weights),
        ece=expected_calibration_error(labels, probabilities, weights=weights),
    )


def _auc(labels: NDArray[Any], probabilities: Floats, weights: Floats) -> float:
    return float(roc_auc_score(labels, probabilities, sample_weight=weights))


def log_loss(labels: NDArray[Any], probabilities: Floats, weights: Floats | None = None) -> float:
    """Mean negative log likelihood, in nats."""
    return float(np.average(log_losses(labels, probabilities), weights=weights))


def log_losses(labels: NDArray[Any], probabilities: Floats) -> NDArray[np.float64]:
    """Negative log likelihood of each row [n], in nats."""
    p = np.clip(np.asarray(probabilities, np.float64), FLOOR, 1.0 - FLOOR)
    y = np.asarray(labels, np.float64)
    losses: NDArray[np.float64] = -(y * np.log(p) + (1.0 - y) * np.log1p(-p))
    return losses


def pcoc(
    labels: NDArray[Any], probabilities: Floats, weights: Floats | None = None
) -> float | None:
    """Predicted clicks over observed clicks; 1 is right."""
    w = _weights(labels, weights)
    clicks = float(np.sum(w * labels))
    return float(np.sum(w * probabilities)) / clicks if clicks else None


def expected_calibration_error(
    labels: NDArray[Any],
    probabilities: Floats,
    bins: int = ECE_BINS,
    weights: Floats | None = None,
) -> float:
    """Mean |predicted − observed| over bins of as many rows (Naeini et al., AAAI'15).

    Rows of one probability share what was observed of them: which of them is in which bin would
    be chance, and a constant that is right on average would be far from 0.
    """
    w = _weights(labels, weights)
    p, tied = np.unique(np.asarray(probabilities, np.float64), return_inverse=True)
    observed = np.bincount(tied, w * labels) / np.bincount(tied, w)
    differences = w * (p - observed)[tied]
    order = np.argsort(probabilities, kind="stable")
    gaps = [
        abs(float(np.sum(differences[part])))
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return sum(gaps) / float(np.sum(w))


def _weights(labels: NDArray[Any], weights: Floats | None) -> NDArray[np.float64]:
    return np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
