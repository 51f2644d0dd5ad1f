"""Which ads own a row of the embedding table: what a changed row makes stale."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class RowOwners:
    """Slots by row. Only the feeder's thread uses it."""

    def __init__(self, shared_row_ads: int) -> None:
        self._slots: dict[int, set[int]] = {}
        self._shared_row_ads = shared_row_ads

    def add(self, slot: int, rows: NDArray[np.int32]) -> None:
        """The ad in ``slot`` has these rows."""
        for row in rows.tolist():
            self._slots.setdefault(row, set()).add(slot)

    def remove(self, slot: int, rows: NDArray[np.int32]) -> None:
        """The ad in ``slot`` had these rows, as they were added."""
        for row in rows.tolist():
            slots = self._slots[row]
            slots.discard(slot)
            if not slots:
                del self._slots[row]

    def of(self, rows: Iterable[int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Slots of rows: those to refresh at once, and those of rows that very many ads share."""
        few: set[int] = set()
        many: set[int] = set()
        for row in rows:
            slots = self._slots.get(row)
            if slots is not None:
                (few if len(slots) <= self._shared_row_ads else many).update(slots)
        many -= few
        return _sorted(few), _sorted(many)


def _sorted(slots: set[int]) -> NDArray[np.int32]:
    array = np.fromiter(slots, np.int32, len(slots))
    array.sort()
    return array
