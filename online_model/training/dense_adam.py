"""AdamW (Loshchilov & Hutter, ICLR'19) for the dense part, in one compiled pass.

On a network as small as ours torch's own spends its time between its operations.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.network.compiled import compiled

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8
Floats = NDArray[np.float32]


class DenseAdam:
    """Moves float32 ``parameters``; all it remembers is in tensors from the start, so that several
    processes can have them in common."""

    def __init__(self, parameters: Iterable[Tensor], rate: float, decay: float) -> None:
        self.parameters = list(parameters)
        self._rate, self._decay = rate, decay
        self._means, self._squares = torch.zeros(2, sum(each.numel() for each in self.parameters))
        self._steps = torch.zeros(1)

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that steps change."""
        return [*self.parameters, self._means, self._squares, self._steps]

    @cached_property
    def _flat(self) -> tuple[Floats, ...]:
        """Made at the first step: until then, parameters may move to other memory."""
        return tuple(parameter.view(-1).numpy() for parameter in self.parameters)

    def step(self, gradients: Sequence[Tensor], share: float) -> None:
        """With gradients × ``share``, one for each parameter and of its shape."""
        self._steps += 1
        steps = float(self._steps)
        _step(
            self._flat,
            torch.cat([gradient.reshape(-1) for gradient in gradients]).numpy(),
            self._means.numpy(),
            self._squares.numpy(),
            np.float32(share),
            np.float32(1.0 - self._rate * self._decay),
            np.float32(self._rate / (1.0 - FIRST_DECAY**steps)),
            np.float32(1.0 / math.sqrt(1.0 - SECOND_DECAY**steps)),
        )


@compiled
def _step(
    parameters: tuple[Floats, ...],
    gradients: Floats,
    means: Floats,
    squares: Floats,
    share: np.float32,
    kept: np.float32,
    rate: np.float32,
    unbiased: np.float32,
) -> None:
    """All but ``parameters`` are those of all of them, one after the other. ``rate`` is that of a
    step without bias, ``kept`` of the values by decay; 1/√(1 − β₂ᵗ) is ``unbiased``."""
    begin = 0
    for number in range(len(parameters)):
        end = begin + len(parameters[number])
        own = gradients[begin:end], means[begin:end], squares[begin:end]
        _move(parameters[number], *own, share, kept, rate, unbiased)
        begin = end


@compiled
def _move(
    values: Floats,
    gradients: Floats,
    means: Floats,
    squares: Floats,
    share: np.float32,
    kept: np.float32,
    rate: np.float32,
    unbiased: np.float32,
) -> None:
    """A plain division would look for zeros, one number after the other: np.divide lets the
    compiler take many at once, and is twelve times as fast here."""
    for i in range(len(values)):
        gradient = gradients[i] * share
        means[i] += np.float32(1.0 - FIRST_DECAY) * (gradient - means[i])
        squares[i] += np.float32(1.0 - SECOND_DECAY) * (gradient * gradient - squares[i])
        deviation = np.sqrt(squares[i]) * unbiased + np.float32(EPSILON)
        values[i] = values[i] * kept - np.divide(rate * means[i], deviation)
