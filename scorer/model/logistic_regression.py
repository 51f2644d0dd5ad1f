"""Logistic regression with declared crosses, scored from encoded inputs: a baseline arm."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.calibration import Calibration
from schemas.crosses import cross_ids
from schemas.features import FeatureSpec
from schemas.layout import Layout, raw_numbers
from schemas.model_arrays import ModelArrays


class LogisticRegression:
    """One version. ``table`` [rows, 1] has the features' weights, then those of the crosses."""

    def __init__(
        self, spec: FeatureSpec, layout: Layout, arrays: ModelArrays, calibration: Calibration
    ) -> None:
        self._spec = spec
        self._layout = layout
        self._arrays = arrays
        self.bias = arrays.bias
        self._calibration = calibration

    def ctrs(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Encoded samples [n] -> calibrated probabilities [n]."""
        fields, numbers = self.terms(samples)
        logits = self.bias + fields.sum(axis=1) + numbers.sum(axis=1)
        return self._calibration.probabilities(logits)

    def terms(self, samples: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What fields [n, F] and numbers [n, N] add to the logits; crosses are fields."""
        arrays, table = self._arrays, self._arrays.table[:, 0]
        parts = [table[samples["request_ids"]]]
        if self._layout.sequence is not None:
            ids = samples["sequence"]
            used = ids >= 0
            total = np.where(used, table[np.maximum(ids, 0)], 0.0).sum(axis=1, keepdims=True)
            parts.append(total / np.maximum(used.sum(axis=1, keepdims=True), 1))
        parts.append(table[samples["ad_ids"]])
        if self._spec.crosses:
            parts.append(table[cross_ids(self._spec, self._layout, samples)])
        numbers = raw_numbers(samples)
        standardised = (numbers - arrays.mean) / arrays.std
        fields: NDArray[np.float64] = np.concatenate(parts, axis=1, dtype=np.float64)
        return fields, standardised * np.asarray(arrays.number_weights, np.float64)
