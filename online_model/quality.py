"""How good probabilities are: log loss, AUC, PCOC and ECE."""

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
    """``auc`` is None with one class only, ``pcoc`` without a click."""

    rows: int
    clicks: int
    log_loss: float
    auc: float | None
    pcoc: float | None
    ece: float


def quality(labels: NDArray[Any], probabilities: Floats) -> Quality:
    """Of probabilities [n] for labels [n] in {0, 1}, n > 0."""
    clicks = int(np.sum(labels))
    both = 0 < clicks < len(labels)
    return Quality(
        rows=len(labels),
        clicks=clicks,
        log_loss=log_loss(labels, probabilities),
        auc=float(roc_auc_score(labels, probabilities)) if both else None,
        pcoc=pcoc(labels, probabilities),
        ece=expected_calibration_error(labels, probabilities),
    )


def log_loss(labels: NDArray[Any], probabilities: Floats) -> float:
    """Mean negative log likelihood, in nats."""
    p = np.clip(np.asarray(probabilities, np.float64), FLOOR, 1.0 - FLOOR)
    y = np.asarray(labels, np.float64)
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def pcoc(labels: NDArray[Any], probabilities: Floats) -> float | None:
    """Predicted clicks over observed clicks; 1 is right."""
    clicks = float(np.sum(labels))
    return float(np.sum(probabilities, dtype=np.float64)) / clicks if clicks else None


def expected_calibration_error(
    labels: NDArray[Any], probabilities: Floats, bins: int = ECE_BINS
) -> float:
    """Mean |predicted − observed| over bins of equal mass (Naeini et al., AAAI'15)."""
    order = np.argsort(probabilities, kind="stable")
    gaps = [
        abs(float(np.sum(probabilities[part], dtype=np.float64)) - float(np.sum(labels[part])))
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return sum(gaps) / len(order)
