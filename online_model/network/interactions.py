"""First order and factorization machine of a batch, with their gradient, in one pass over fields.

The tower reads the same embeddings: they are laid out for it on the way, and its gradient joins
that of the pairs on the way back, so autograd copies no field.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.network.compiled import compiled

Floats = NDArray[np.float32]


class Interactions(torch.autograd.Function):
    """Fields [n, F, 1+dim] and numbers [n, N] -> scores [n] and tower inputs [n, F·dim + N].

    score = Σ first-order + ½(‖Σv‖² − Σ‖v‖²) (Rendle, ICDM'10, lemma 3.1). No gradient flows to
    numbers.
    """

    @staticmethod
    def forward(ctx: Any, fields: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps fields and their sums."""
        n, count, width = fields.shape
        scores = np.empty(n, np.float32)
        sums = np.empty((n, width - 1), np.float32)
        inputs = np.empty((n, count * (width - 1) + numbers.shape[1]), np.float32)
        _forward(fields.detach().numpy(), numbers.detach().numpy(), scores, sums, inputs)
        ctx.save_for_backward(fields, torch.from_numpy(sums))
        return torch.from_numpy(scores), torch.from_numpy(inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Of scores [n] and inputs -> of fields."""
        fields, sums = ctx.saved_tensors
        by_fields = np.empty(fields.shape, np.float32)
        by_scores, by_inputs = (gradient.contiguous().numpy() for gradient in gradients)
        _backward(fields.detach().numpy(), sums.numpy(), by_scores, by_inputs, by_fields)
        return torch.from_numpy(by_fields), None


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
