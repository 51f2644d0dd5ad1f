"""Hashed logistic regression with declared crosses: the baseline, on the same declaration."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from online_model.network.network import Network, Slopes


class LogisticRegression(Network):
    """score = bias + Σ first-order + number weights·z; crosses are fields like any other."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.number_weights = nn.Parameter(torch.zeros(numbers), requires_grad=False)

    def passed(self, fields: Tensor, numbers: Tensor, bf16: bool = False) -> "RegressionPass":
        """Fields are [n, F, 1]; always float32."""
        linear = self.bias + numbers @ self.number_weights
        return RegressionPass(fields[:, :, 0].sum(dim=1) + linear, fields, numbers)


@dataclass(frozen=True, slots=True)
class RegressionPass:
    """See :class:`online_model.network.network.Pass`."""

    scores: Tensor
    fields: Tensor
    numbers: Tensor

    def slopes(self, by_scores: Tensor, dense: bool) -> Slopes:
        """A sum hands its slope on."""
        by_fields = by_scores[:, None, None].expand(self.fields.shape).contiguous()
        return Slopes(by_fields, [by_scores.sum(), by_scores @ self.numbers] if dense else [])
