"""DeepFM split into a request half and an ad half (Guo et al., IJCAI'17, arXiv 1703.04247).

The FM term of two sides is an inner product of their embedding sums plus a part of each, and the
tower's first layer is linear: so what depends on one side only is computed once for that side.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.calibration import Calibration
from schemas.layout import Layout
from schemas.model_arrays import ModelArrays
from scorer.tower import Tower

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Halves:
    """One side of n scores: ``fm_sums`` [n, dim], ``scalars`` [n], ``hidden`` [n, h1]."""

    fm_sums: Floats
    scalars: Floats
    hidden: Floats


@dataclass(frozen=True, slots=True)
class _Side:
    """First layer and weights of one side's fields and numbers."""

    w1_fields: Floats
    w1_numbers: Floats
    number_weights: Floats
    mean: Floats
    std: Floats

    def halves(self, fields: Floats, numbers: Floats) -> Halves:
        """Rows of the fields [n, F, 1 + dim] and raw numbers [n, N] -> halves of n."""
        embeddings = fields[:, :, 1:]
        sums = embeddings.sum(axis=1)
        standardised = (numbers - self.mean) / self.std
        scalars = fields[:, :, 0].sum(axis=1) + standardised @ self.number_weights
        scalars += 0.5 * ((sums**2).sum(axis=1) - (embeddings**2).sum(axis=(1, 2)))
        hidden = embeddings.reshape(len(fields), len(self.w1_fields)) @ self.w1_fields
        hidden += standardised @ self.w1_numbers
        return Halves(sums, scalars, hidden)


class DeepFm:
    """One version of the model. ``table``, of ``arrays``, changes in place as row deltas come."""

    def __init__(
        self, layout: Layout, arrays: ModelArrays, tower: Tower, calibration: Calibration
    ) -> None:
        self.arrays = arrays
        self.table = arrays.table
        self.dim = arrays.table.shape[1] - 1
        self.hidden = len(arrays.b1)
        self.calibration = self._package_calibration = calibration
        self.tower = tower
        self._bias = np.float32(arrays.bias)
        self._b1 = arrays.b1
        fields, numbers = layout.fields * self.dim, layout.request_number_count
        split = layout.request_fields * self.dim

        def side(w1: slice, w1_numbers: slice, columns: slice) -> _Side:
            return _Side(
                np.ascontiguousarray(arrays.w1[w1]),
                np.ascontiguousarray(arrays.w1[w1_numbers]),
                arrays.number_weights[columns],
                arrays.mean[columns],
                arrays.std[columns],
            )

        self._request = side(slice(0, split), slice(fields, fields + numbers), slice(0, numbers))
        self._ad = side(slice(split, fields), slice(fields + numbers, None), slice(numbers, None))

    def request_half(self, part: NDArray[np.void]) -> Halves:
        """The request part (1,) -> its half (1), with the bias and b1."""
        rows = self.table.take(part["request_ids"], axis=0)
        if part["sequence"].shape[1]:
            rows = np.concatenate((rows, self._pooled(part["sequence"][0])), axis=1)
        half = self._request.halves(rows, part["request_numbers"])
        return Halves(half.fm_sums, half.scalars + self._bias, half.hidden + self._b1)

    def _pooled(self, sequence: NDArray[np.int32]) -> Floats:
        """Mean of the rows of a sequence [L], -1 padded; zeros if it is empty; [1, 1, 1 + dim]."""
        rows = sequence[sequence >= 0]
        pooled = self.table.take(rows, axis=0).sum(axis=0) / np.float32(max(len(rows), 1))
        shaped: Floats = pooled.reshape(1, 1, -1)
        return shaped

    def ad_halves(self, parts: NDArray[np.void]) -> Halves:
        """Ad parts [n] -> halves of n."""
        return self._ad.halves(self.table.take(parts["ad_ids"], axis=0), parts["ad_numbers"])

    def recalibrate(self, shift: float) -> None:
        """From now on the package's calibration is shifted so, as the learner says."""
        self.calibration = self._package_calibration.shifted(shift)

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Logits [n] -> calibrated probabilities [n]."""
        return self.calibration.probabilities(logits)
