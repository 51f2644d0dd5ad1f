"""First order and factorization machine of a batch, with their slopes, in one pass over fields.

The tower reads the same embeddings: they are laid out for it on the way, and its slopes join those
of the pairs on the way back, so no field is copied.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.network.compiled import compiled

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Interactions:
    """Of one batch: ``scores`` [n], and the tower's ``inputs`` [n, F·dim + N].

    score = Σ first-order + ½(‖Σv‖² − Σ‖v‖²) (Rendle, ICDM'10, lemma 3.1).
    """

    scores: Tensor
    inputs: Tensor
    fields: Tensor
    sums: Floats

    @classmethod
    def of(cls, fields: Tensor, numbers: Tensor) -> "Interactions":
        """Of fields [n, F, 1+dim] and numbers [n, N]."""
        n, count, width = fields.shape
        scores = np.empty(n, np.float32)
        sums = np.empty((n, width - 1), np.float32)
        inputs = np.empty((n, count * (width - 1) + numbers.shape[1]), np.float32)
        _forward(fields.numpy(), numbers.numpy(), scores, sums, inputs)
        return cls(torch.from_numpy(scores), torch.from_numpy(inputs), fields, sums)

    def slopes(self, by_scores: Tensor, by_inputs: Tensor) -> Tensor:
        """Of scores [n] and inputs -> of fields."""
        by_fields = np.empty(self.fields.shape, np.float32)
        told, by_tower = by_scores.contiguous().numpy(), by_inputs.contiguous().numpy()
        _backward(self.fields.numpy(), self.sums, told, by_tower, by_fields)
        return torch.from_numpy(by_fields)


@compiled
def _forward(fields: Floats, numbers: Floats, scores: Floats, sums: Floats, inputs: Floats) -> None:
    n, count, width = fields.shape
    dim = width - 1
    for i in range(n):
        linear, squares, pairs = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        sums[i] = 0.0
        for field in range(count):
            linear += fields[i, field, 0]
            for j in range(dim):
                value = fields[i, field, 1 + j]
                inputs[i, field * dim + j] = value
                sums[i, j] += value
                squares += value * value
        for j in range(dim):
            pairs += sums[i, j] * sums[i, j]
        scores[i] = linear + np.float32(0.5) * (pairs - squares)
        for k in range(numbers.shape[1]):
            inputs[i, count * dim + k] = numbers[i, k]


@compiled
def _backward(
    fields: Floats, sums: Floats, by_scores: Floats, by_inputs: Floats, by_fields: Floats
) -> None:
    n, count, width = fields.shape
    dim = width - 1
    for i in range(n):
        slope = by_scores[i]
        for field in range(count):
            by_fields[i, field, 0] = slope
            for j in range(dim):
                pair = sums[i, j] - fields[i, field, 1 + j]
                by_fields[i, field, 1 + j] = slope * pair + by_inputs[i, field * dim + j]
