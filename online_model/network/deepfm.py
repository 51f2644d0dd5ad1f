"""DeepFM (Guo et al., IJCAI'17) over the rows of one embedding table.

score = bias + Σ first-order + ½(‖Σv‖² − Σ‖v‖²) + number weights·z + towers(v…, z)
"""

import torch
from torch import Tensor, nn

from online_model.network.interactions import Interactions
from online_model.network.tower import Towers


class DeepFM(nn.Module):
    """The dense part. Its towers start at zero: at first the model is an FM."""

    def __init__(
        self,
        fields: int,
        dim: int,
        numbers: int,
        towers: int,
        hidden: tuple[int, ...],
        seed: int,
    ) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.number_weights = nn.Parameter(torch.zeros(numbers))
        self.towers = Towers(fields * dim + numbers, towers, hidden, seed)

    def forward(self, fields: Tensor, numbers: Tensor, bf16: bool = False) -> Tensor:
        """Fields [n, F, 1+dim] and numbers [n, numbers] -> scores (logits) [n]."""
        explicit, inputs = Interactions.apply(fields, numbers)  # type: ignore[no-untyped-call]
        linear = self.bias + numbers @ self.number_weights
        scores: Tensor = explicit + linear + self.towers(inputs, bf16)
        return scores
