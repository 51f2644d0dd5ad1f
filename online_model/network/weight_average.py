"""The mean of a model's weights over many steps: it errs less than the weights of the last step.

Polyak & Juditsky (SIAM J. Control 30, 1992); for networks Izmailov et al. (UAI'18). A row is added
up when it is about to change, for all the steps in which it stood still, so a step costs as much as
the rows that it changes.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from online_model.network.model import Model


class WeightAverage:
    """Of the weights after each step since it was made. ``before_step`` and ``after_step`` frame
    each of the model's steps."""

    def __init__(self, model: Model) -> None:
        self._values = model.table.values.numpy()
        self._parameters = list(model.network.parameters())
        self._steps = 0
        self._sums = np.zeros(self._values.shape, np.float64)
        self._added = np.zeros(len(self._values), np.int64)
        self._moved = np.zeros(len(self._values), np.bool_)
        self._dense = [torch.zeros_like(parameter) for parameter in self._parameters]

    def before_step(self, rows: NDArray[np.int64]) -> None:
        """Rows [u], all different, are about to change."""
        stood = (self._steps - self._added[rows])[:, None]
        self._sums[rows] += stood * self._values[rows]
        self._added[rows] = self._steps
        self._moved[rows] = True

    def after_step(self) -> None:
        """All weights are what a step has made of them."""
        self._steps += 1
        for total, parameter in zip(self._dense, self._parameters, strict=True):
            total.add_(parameter)

    def put(self) -> None:
        """The model has the mean from now on; without a step it stays as it is."""
        if not self._steps:
            return
        moved = np.flatnonzero(self._moved)
        self.before_step(moved)
        self._values[moved] = self._sums[moved] / self._steps
        for total, parameter in zip(self._dense, self._parameters, strict=True):
            parameter.copy_(total / self._steps)
