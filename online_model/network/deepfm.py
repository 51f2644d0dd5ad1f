"""DeepFM (Guo et al., IJCAI'17) over the rows of one embedding table.

score = bias + Σ first-order + ½(‖Σv‖² − Σ‖v‖²) + number weights·z + towers(v…, z)
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from online_model.network.interactions import Interactions
from online_model.network.network import Network, Slopes
from online_model.network.tower import Towers, TowersPass


class DeepFM(Network):
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
        self.bias = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.number_weights = nn.Parameter(torch.zeros(numbers), requires_grad=False)
        self.towers = Towers(fields * dim + numbers, towers, hidden, seed)

    def passed(self, fields: Tensor, numbers: Tensor, bf16: bool = False) -> "DeepFMPass":
        """Fields [n, F, 1+dim] and numbers [n, numbers] on their way."""
        explicit = Interactions.of(fields, numbers)
        deep = self.towers.passed(explicit.inputs, bf16)
        scores = torch.addmv(explicit.scores, numbers, self.number_weights)
        scores.add_(self.bias).add_(deep.logits)
        return DeepFMPass(scores, numbers, explicit, deep)


@dataclass(frozen=True, slots=True)
class DeepFMPass:
    """See :class:`online_model.network.network.Pass`."""

    scores: Tensor
    numbers: Tensor
    explicit: Interactions
    deep: TowersPass

    def slopes(self, by_scores: Tensor, dense: bool) -> Slopes:
        """Through the towers, then through both of their readers to the fields."""
        by_inputs, by_towers = self.deep.slopes(by_scores, dense)
        by_linear = [by_scores.sum(), by_scores @ self.numbers] if dense else []
        return Slopes(self.explicit.slopes(by_scores, by_inputs), [*by_linear, *by_towers])
