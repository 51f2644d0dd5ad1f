"""Estimates with 95 % confidence intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval; NaN where there is nothing to estimate from."""

    value: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, variance: float) -> "Estimate":
        """By the variance of the estimator."""
        margin = Z * float(np.sqrt(variance))
        return cls(value, value - margin, value + margin)

    @classmethod
    def unknown(cls) -> "Estimate":
        """Of nothing."""
        return cls(float("nan"), float("nan"), float("nan"))

    @property
    def variance(self) -> float:
        """Of the estimator."""
        return float(((self.high - self.low) / (2 * Z)) ** 2)


def ratio(numerators: Doubles, denominators: Doubles) -> Estimate:
    """Σ numerators / Σ denominators [n] over n independent units.

    Delta method (Deng, Knoblich & Lu, KDD'18, arXiv 1803.06336): units that were assigned at
    random are independent, the impressions of one of them are not.
    """
    count, total = len(denominators), float(denominators.sum())
    if count < 2 or total <= 0:
        return Estimate.unknown()
    value = float(numerators.sum()) / total
    residuals = numerators - value * denominators
    variance = float(residuals @ residuals) / total**2 * count / (count - 1)
    return Estimate.normal(value, variance)


def lift(of: Estimate, over: Estimate) -> Estimate:
    """of / over − 1, of two independent estimates; the delta method again."""
    if not over.value > 0 or not of.value > 0:
        return Estimate.unknown()
    quotient = of.value / over.value
    relative = of.variance / of.value**2 + over.variance / over.value**2
    return Estimate.normal(quotient - 1.0, quotient**2 * relative)
