"""DeepFM (Guo et al., IJCAI'17) over the rows of one embedding table.

score = bias + Σ first-order + ½(‖Σv‖² − Σ‖v‖²) + number weights·z + tower(W1·[v…, z] + b1)
"""

import math

import torch
from torch import Tensor, nn


class DeepFM(nn.Module):
    """The dense part. The tower's last layer starts at zero: at first the model is an FM."""

    def __init__(
        self,
        fields: int,
        dim: int,
        numbers: int,
        hidden: tuple[int, int],
        dropout: float,
        seed: int,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        inputs, (first, second) = fields * dim + numbers, hidden
        self.bias = nn.Parameter(torch.zeros(()))
        self.number_weights = nn.Parameter(torch.zeros(numbers))
        self.w1 = nn.Parameter(_he_normal(inputs, first, generator))
        self.b1 = nn.Parameter(torch.zeros(first))
        self.w2 = nn.Parameter(_he_normal(first, second, generator))
        self.b2 = nn.Parameter(torch.zeros(second))
        self.w3 = nn.Parameter(torch.zeros(second))
        self.b3 = nn.Parameter(torch.zeros(()))
        self.dropout = nn.Dropout(dropout)

    def forward(self, fields: Tensor, numbers: Tensor) -> Tensor:
        """Fields [n, F, 1+dim] and numbers [n, numbers] -> scores (logits) [n]."""
        vectors = fields[:, :, 1:]
        total = vectors.sum(dim=1)
        second_order = 0.5 * (total.square().sum(dim=1) - vectors.square().sum(dim=(1, 2)))
        linear = fields[:, :, 0].sum(dim=1) + numbers @ self.number_weights
        hidden = torch.cat([vectors.flatten(1), numbers], dim=1) @ self.w1 + self.b1
        tower: Tensor = self.tower(hidden)
        return self.bias + linear + second_order + tower

    def tower(self, hidden: Tensor) -> Tensor:
        """The first layer's output before its activation [n, h1] -> its share of the score [n]."""
        second = torch.relu(self.dropout(torch.relu(hidden)) @ self.w2 + self.b2)
        logit: Tensor = second @ self.w3 + self.b3
        return logit


def _he_normal(inputs: int, outputs: int, generator: torch.Generator) -> Tensor:
    scale = math.sqrt(2.0 / max(1, inputs))
    return torch.randn(inputs, outputs, generator=generator) * scale
