"""Which attribute values no ad has any more: their numbers are given to others.

Without it, values that change all the time, such as a budget that is left, would fill the table.
"""

from collections.abc import Callable
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from scorer.ads.ad_arrays import REUSE_SECONDS
from scorer.ads.string_table import StringTable

_AT_A_TIME = 1_024


class ValueUses:
    """Counts how many ads have each value. The feeder's."""

    def __init__(self, values: StringTable, clock: Callable[[], float] = monotonic) -> None:
        self._values = values
        self._uses = np.zeros(values.capacity, np.int32)
        #: When values were last had by an ad, or given to one without room, oldest first.
        self._unused: dict[int, float] = {}
        self._clock = clock

    def changed(self, before: NDArray[np.int32], after: NDArray[np.int32]) -> None:
        """Numbers of values plus 1, 0 for none, of the same attributes of the same ads."""
        differ = before != after
        gone, new = before[differ], after[differ]
        gone, new = gone[gone > 0] - 1, new[new > 0] - 1
        np.add.at(self._uses, new, 1)
        np.subtract.at(self._uses, gone, 1)
        self.note(np.unique(gone).astype(np.int64))

    def recount(self, attributes: NDArray[np.int32]) -> None:
        """``attributes`` [names, slots] are those of all ads, as another feeder has left them."""
        self._uses[:] = 0
        for column in attributes:
            counts = np.bincount(column, minlength=1)[1:]
            self._uses[: len(counts)] += counts.astype(np.int32)
        self.note(np.arange(len(self._values)))

    def note(self, numbers: NDArray[np.int64]) -> None:
        """Those of the numbers that no ad has may be given back in a while."""
        now = self._clock()
        for number in numbers[self._uses[numbers] == 0].tolist():
            self._unused.pop(number, None)
            self._unused[number] = now

    def give_back(self) -> list[str]:
        """Values whose numbers may stand for others from now on."""
        until = self._clock() - REUSE_SECONDS
        texts: list[str] = []
        while self._unused and len(texts) < _AT_A_TIME:
            number = next(iter(self._unused))
            if self._unused[number] > until:
                break
            del self._unused[number]
            if self._uses[number] == 0:
                texts.append(self._values.text(number))
                self._values.give_back(number)
        return texts
