"""Finds changes in progressive quality: ADWIN (Bifet & Gavaldà, SDM'07) on means of some samples.

The first labels of ``CHUNK`` samples make one observation of log loss and one of calibration, which
is the observed minus the predicted click rate; samples weigh as many as down-sampling left them to
stand for. Detectors begin anew when the process does.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN

from online_model.quality import log_losses

CHUNK = 200
LOG_LOSS, CALIBRATION = "log-loss", "calibration"


@dataclass(frozen=True, slots=True)
class Drift:
    """``of`` changed from a mean ``before`` to one ``after``."""

    of: str
    before: float
    after: float


@dataclass(slots=True)
class QualityDrift:
    """Feed it samples in order."""

    _detectors: dict[str, ADWIN] = field(
        default_factory=lambda: {name: ADWIN() for name in (LOG_LOSS, CALIBRATION)}
    )
    _rest: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))

    def update(
        self,
        labels: NDArray[Any],
        predicted: NDArray[np.float64],
        weights: NDArray[np.floating[Any]],
    ) -> list[Drift]:
        """First labels [n] with what was predicted and their weights; what has changed, as seen by
        now."""
        observed = np.column_stack([log_losses(labels, predicted), labels - predicted, weights])
        observed = np.concatenate([self._rest, observed])
        whole = len(observed) // CHUNK * CHUNK
        self._rest = observed[whole:]
        found = []
        for chunk in observed[:whole].reshape(-1, CHUNK, 3):
            means = np.average(chunk[:, :2], axis=0, weights=chunk[:, 2])
            for (name, detector), mean in zip(self._detectors.items(), means, strict=True):
                before = detector.estimation
                detector.update(float(mean))
                if detector.drift_detected:
                    found.append(Drift(name, before, detector.estimation))
        return found
