"""What learning a batch did, and how good what was served before it turned out to be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online_model.quality import log_loss


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What one call of a learner's ``learn`` did.

    ``ids`` int32 [m] are the rows that changed, sorted, ``values`` float32 [m, 1+dim] what they
    are now. Of the samples [n] that count, in order: ``predicted`` probabilities as they would
    have been served before learning them, ``labels``, sample ``weights``, and whether it is the
    ``first`` label of its impression (with the method ``wait`` the MATURE one) or a late click.
    ``withheld`` says that they were not learnt.
    """

    ids: NDArray[np.int32]
    values: NDArray[np.float32]
    predicted: NDArray[np.float64]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    first: NDArray[np.bool_]
    withheld: bool = False

    @property
    def log_loss(self) -> float:
        """Weighted mean over first labels, NaN without any; a click that is still to come counts
        as none."""
        first = self.first
        if not first.any():
            return float("nan")
        return log_loss(self.labels[first], self.predicted[first], self.weights[first])

    @property
    def predicted_sum(self) -> float:
        """Weighted predictions of first labels; over ``observed_sum`` it is PCOC."""
        return float(np.sum(self.weights[self.first] * self.predicted[self.first]))

    @property
    def observed_sum(self) -> float:
        """Weighted clicks of any kind."""
        return float(np.sum(self.weights * self.labels, dtype=np.float64))
