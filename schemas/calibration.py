"""Calibration as the model package has it: a monotone map from a score to a probability."""

from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

FLOOR = 1e-6


class Calibration(BaseModel):
    """Piecewise linear in the logit: ``logits`` ascending -> ``outputs`` ascending (logits too).

    Outside the knots the slope is 1, so that order is kept and nothing saturates. Isotonic and
    Platt calibration are both of this form.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    method: Literal["identity", "isotonic", "platt"] = "identity"
    logits: tuple[float, ...] = Field((0.0,), min_length=1)
    outputs: tuple[float, ...] = Field((0.0,), min_length=1)

    @model_validator(mode="after")
    def _monotone(self) -> "Calibration":
        if len(self.logits) != len(self.outputs):
            raise ValueError("logits and outputs differ in length")
        if not np.isfinite((*self.logits, *self.outputs)).all():
            raise ValueError("logits and outputs must be finite")
        if np.any(np.diff(self.logits) <= 0) or np.any(np.diff(self.outputs) < 0):
            raise ValueError("logits must increase and outputs must not decrease")
        return self

    def shifted(self, by: float) -> "Calibration":
        """One whose probabilities have ``by`` added to their logits."""
        outputs = tuple(output + by for output in self.outputs)
        return Calibration(method=self.method, logits=self.logits, outputs=outputs)

    @cached_property
    def _knots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both tuples as arrays; making them costs more than the rest of a small request."""
        return np.asarray(self.logits), np.asarray(self.outputs)

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Scores [n] of the model, as logits -> calibrated probabilities [n] in (0, 1)."""
        knots, outputs = self._knots
        scores = np.asarray(logits, np.float64)
        if len(knots) == 1:  # the slope is 1 on both sides
            mapped = scores + (outputs[0] - knots[0])
        else:
            mapped = np.interp(scores, knots, outputs)
            mapped += np.minimum(scores - knots[0], 0.0) + np.maximum(scores - knots[-1], 0.0)
        probabilities: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(mapped, -30.0, 30.0)))
        return np.clip(probabilities, FLOOR, 1.0 - FLOOR)
