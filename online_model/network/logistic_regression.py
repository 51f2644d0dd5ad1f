"""Hashed logistic regression with declared crosses: the baseline, on the same declaration."""

import torch
from torch import Tensor, nn


class LogisticRegression(nn.Module):
    """score = bias + Σ first-order + number weights·z; crosses are fields like any other."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.number_weights = nn.Parameter(torch.zeros(numbers))

    def forward(self, fields: Tensor, numbers: Tensor, bf16: bool = False) -> Tensor:
        """Fields [n, F, 1] and numbers [n, numbers] -> scores (logits) [n]; always float32."""
        return self.bias + fields[:, :, 0].sum(dim=1) + numbers @ self.number_weights
