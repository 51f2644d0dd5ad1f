"""Sums over the last minutes of event time, in slices, so that memory does not grow with events."""

import numpy as np
from numpy.typing import NDArray

SLICES = 15


class SlidingSum:
    """Adds arrays of one shape; what is told is of the newest 14 to 15 fifteenths of the window.

    One thread adds. Others may ask: the slices are replaced, never changed in length.
    """

    def __init__(self, shape: tuple[int, ...], window_ms: int) -> None:
        self._shape = shape
        self._slice_ms = max(1, window_ms // SLICES)
        self._slices: tuple[tuple[int, NDArray[np.float64]], ...] = ()

    def at(self, ts_ms: int) -> NDArray[np.float64]:
        """The slice of a time, to be added to in place; what is older than the window is lost."""
        number = ts_ms // self._slice_ms
        for known, slice_ in reversed(self._slices):
            if known == number:
                return slice_
        made = np.zeros(self._shape)
        if self._slices and number < self._slices[0][0]:
            return made
        self._slices = tuple(sorted((*self._slices, (number, made)), key=lambda item: item[0]))
        self.advance(ts_ms)
        return made

    def advance(self, ts_ms: int) -> None:
        """Time goes on without anything to add."""
        oldest = ts_ms // self._slice_ms - SLICES + 1
        self._slices = tuple(item for item in self._slices if item[0] >= oldest)

    def total(self) -> NDArray[np.float64]:
        """The sum of what is left."""
        total = np.zeros(self._shape)
        for _, slice_ in self._slices:
            total += slice_
        return total
