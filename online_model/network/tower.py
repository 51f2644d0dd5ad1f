"""The deep part: one or several towers over the same inputs, averaged in the logit.

Towers of other first weights err differently, so their mean errs less: an ensemble in one model.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from online_model.network.product import product

_FIRST_SHIFT = 0.1


class Towers(nn.Module):
    """K multilayer perceptrons with a first layer in common, which is linear in its inputs.

    ``w1`` [inputs, K·h1] and ``b1`` [K·h1] have the towers side by side; ``weights`` [K, h, h'] and
    ``shifts`` [K, 1, h'] are the further layers, the last one with h' = 1. The last layer starts
    at zero: at first a tower says nothing. ``b1`` does not: without numbers all inputs are zero at
    first, and units that answer them with zero would never let embeddings leave it. With ``bf16``
    the factors of products are rounded to bfloat16 (Kalamkar et al., 2019, arXiv 1905.12322): half
    the time on processors that can.
    """

    def __init__(self, inputs: int, towers: int, hidden: tuple[int, ...], seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        first = towers * hidden[0]
        self.w1 = nn.Parameter(_he_normal((inputs, first), inputs, generator))
        self.b1 = nn.Parameter(_FIRST_SHIFT * torch.randn(first, generator=generator))
        widths = [*hidden, 1]
        self.weights = nn.ParameterList(
            nn.Parameter(_he_normal((towers, of, to), of, generator)) for of, to in pairwise(widths)
        )
        self.shifts = nn.ParameterList(
            nn.Parameter(torch.zeros(towers, 1, to)) for to in widths[1:]
        )
        nn.init.zeros_(self.weights[-1])

    def forward(self, inputs: Tensor, bf16: bool = False) -> Tensor:
        """Inputs [n, inputs] -> logits [n]."""
        return self.after_first(_layer(self.b1, inputs, self.w1, bf16), bf16)

    def after_first(self, hidden: Tensor, bf16: bool = False) -> Tensor:
        """The first layer's outputs before their activation [n, K·h1] -> logits [n]."""
        towers = len(self.weights[0])
        layer = torch.relu(hidden).view(len(hidden), towers, -1).transpose(0, 1)
        for weight, shift in zip(self.weights, self.shifts, strict=True):
            if weight is not self.weights[0]:
                layer = torch.relu(layer)
            layer = _layer(shift, layer, weight, bf16)
        logits: Tensor = layer.mean(dim=0).squeeze(1)
        return logits


def _layer(shift: Tensor, inputs: Tensor, weight: Tensor, bf16: bool) -> Tensor:
    if bf16:
        return (inputs.bfloat16() @ weight.bfloat16()).float() + shift
    return product(inputs, weight) + shift


def _he_normal(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) * math.sqrt(2.0 / max(1, inputs))
