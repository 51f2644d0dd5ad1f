"""The deep part: one or several towers over the same inputs, averaged in the logit.

Towers of other first weights err differently, so their mean errs less: an ensemble in one model.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from online_model.network.product import factor, product

_FIRST_SHIFT = 0.1
_threshold_backward: Callable[[Tensor, Tensor, float], Tensor] = (
    torch.ops.aten.threshold_backward.default
)


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
        self.w1 = _parameter(_he_normal((inputs, first), inputs, generator))
        self.b1 = _parameter(_FIRST_SHIFT * torch.randn(first, generator=generator))
        widths = [*hidden, 1]
        self.weights = nn.ParameterList(
            _parameter(_he_normal((towers, of, to), of, generator)) for of, to in pairwise(widths)
        )
        self.shifts = nn.ParameterList(_parameter(torch.zeros(towers, 1, to)) for to in widths[1:])
        nn.init.zeros_(self.weights[-1])
        # Through their lists, it takes longer to find them than to use them.
        self._further = tuple(zip(self.weights, self.shifts, strict=True))

    def passed(self, inputs: Tensor, bf16: bool = False) -> "TowersPass":
        """Inputs [n, inputs] on their way."""
        given, w1 = factor(inputs, bf16), factor(self.w1, bf16)
        hidden = product(given, w1).add_(self.b1)
        logits, layers, weights = self.after_first(hidden, bf16)
        return TowersPass(logits, given, w1, layers, weights)

    def after_first(
        self, hidden: Tensor, bf16: bool = False
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The first layer's outputs before their activation [n, K·h1], which it changes -> logits
        [n], and as factors what each further layer read [K, n, h] and its weights."""
        layer = hidden.view(len(hidden), len(self._further[0][0]), -1).transpose(0, 1)
        layers, weights = [], []
        for weight, shift in self._further:
            layers.append(factor(layer.relu_(), bf16))
            weights.append(factor(weight, bf16))
            layer = product(layers[-1], weights[-1]).add_(shift)
        return layer.mean(dim=0).view(-1), layers, weights


@dataclass(frozen=True, slots=True)
class TowersPass:
    """One batch: ``logits`` [n], and the factors of all products that led to them."""

    logits: Tensor
    inputs: Tensor
    w1: Tensor
    layers: list[Tensor]
    weights: list[Tensor]

    def slopes(self, by_logits: Tensor, dense: bool) -> tuple[Tensor, list[Tensor]]:
        """By inputs [n, inputs], and by the parameters in their order if ``dense``."""
        towers, bf16 = len(self.layers[0]), self.inputs.dtype == torch.bfloat16
        slope = (by_logits / towers).view(1, -1, 1).expand(towers, -1, -1)
        by_weights, by_shifts = [], []
        for layer, weight in zip(reversed(self.layers), reversed(self.weights), strict=True):
            told = factor(slope, bf16)
            if dense:
                by_weights.append(product(layer.transpose(1, 2), told))
                by_shifts.append(slope.sum(dim=1, keepdim=True))
            slope = _before_relu(product(told, weight.transpose(1, 2)), layer)
        slope = slope.transpose(0, 1).reshape(len(by_logits), -1)
        told = factor(slope, bf16)
        by_inputs = product(told, self.w1.t())
        if not dense:
            return by_inputs, []
        by_first = [product(self.inputs.t(), told), slope.sum(dim=0)]
        return by_inputs, [*by_first, *reversed(by_weights), *reversed(by_shifts)]


def _before_relu(slope: Tensor, active: Tensor) -> Tensor:
    """Multiplied by where a ReLU was open takes eight times as long."""
    return _threshold_backward(slope, active, 0)


def _parameter(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)


def _he_normal(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) * math.sqrt(2.0 / max(1, inputs))
