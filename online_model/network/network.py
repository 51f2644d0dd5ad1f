"""What the dense part of any model is: scores forward, and on the way back the slopes of a loss.

Both ways are written out: autograd's own work was a fifth of a step of 100 samples.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

from torch import Tensor, nn


class Slopes(NamedTuple):
    """Sums over a batch of n: ``fields`` float32 [n, F, 1+dim], and one for each parameter of the
    network, in their order and of their shapes; none if they were not asked for."""

    fields: Tensor
    parameters: list[Tensor]


class Pass(Protocol):
    """One batch on its way through a network."""

    @property
    def scores(self) -> Tensor:
        """Logits [n]."""

    def slopes(self, by_scores: Tensor, dense: bool) -> Slopes:
        """Of a loss whose slopes by the scores are [n]; by parameters only if ``dense``."""


class Network(nn.Module, ABC):
    """The dense part of a model. Nothing of it is recorded for autograd."""

    def forward(self, fields: Tensor, numbers: Tensor) -> Tensor:
        """Scores (logits) [n]."""
        return self.passed(fields, numbers).scores

    @abstractmethod
    def passed(self, fields: Tensor, numbers: Tensor, bf16: bool = False) -> Pass:
        """Fields [n, F, 1+dim] and numbers [n, numbers], with which no slope is asked for.

        With ``bf16`` the factors of a tower's products are rounded to bfloat16.
        """
