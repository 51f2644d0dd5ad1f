"""Which slots have a code in a column, sorted once in a while."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.memory.shared_arrays import Layout

Slots = NDArray[np.int32]


class Postings:
    """``order`` [n] lists slots by code, those of code c from ``starts[c]`` to ``starts[c + 1]``.

    A slot may have another code since: look at the column again.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._starts = arrays["starts"]
        self._order = arrays["order"]

    @staticmethod
    def layout(rows: int, codes: int) -> Layout:
        """Arrays for ``rows`` slots with codes 0 … ``codes`` − 1."""
        return {"starts": ("<i4", (codes + 1,)), "order": ("<i4", (rows,))}

    @classmethod
    def built(cls, column: NDArray[np.integer[Any]], codes: int) -> "Postings":
        """Postings of a column [n] in memory of their own."""
        layout = cls.layout(len(column), codes)
        postings = cls({name: np.zeros(shape, dtype) for name, (dtype, shape) in layout.items()})
        postings.fill(column)
        return postings

    def fill(self, column: NDArray[np.integer[Any]]) -> None:
        """Sort a column [n], which others may go on changing.

        A code that is new counts as the last one: its slot changed, and is looked at anyway.
        """
        # Read once: counts and order of different moments would shift all codes in between.
        column = np.minimum(column, len(self._starts) - 2)
        counts = np.bincount(column, minlength=len(self._starts) - 1)
        np.cumsum(counts, out=self._starts[1:])
        self._order[:] = np.argsort(column, kind="stable")

    def count(self, code: int) -> int:
        """How many slots had this code."""
        if code + 1 >= len(self._starts):
            return 0
        return int(self._starts[code + 1] - self._starts[code])

    def of(self, code: int) -> Slots:
        """The slots [n] that had this code, ascending."""
        if code + 1 >= len(self._starts):
            return np.empty(0, np.int32)
        slots: Slots = self._order[self._starts[code] : self._starts[code + 1]]
        return slots

    def of_many(self, codes: NDArray[np.int32], largest: int) -> tuple[Slots, Slots]:
        """Slots of codes [n]: those of codes with at most ``largest`` slots, and of the others."""
        codes = codes[codes + 1 < len(self._starts)]
        counts = self._starts[codes + 1] - self._starts[codes]
        few = counts <= largest
        return self._joined(codes[few]), self._joined(codes[~few])

    def _joined(self, codes: NDArray[np.int32]) -> Slots:
        starts = self._starts[codes].astype(np.int64)
        counts = self._starts[codes + 1] - starts
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0)
        joined: Slots = self._order[places + np.repeat(starts - (ends - counts), counts)]
        return joined
