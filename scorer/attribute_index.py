"""Targeting: which ads have an attribute value. Memory follows the ads that are there."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_EMPTY: NDArray[np.int32] = np.empty(0, np.int32)


class AttributeIndex:
    """Slots by (attribute, value). Not thread-safe: used under the catalogue's lock."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, str], set[int]] = {}
        self._arrays: dict[tuple[str, str], NDArray[np.int32]] = {}

    def add(self, slot: int, attributes: Mapping[str, str]) -> None:
        """The ad in ``slot`` has these attributes."""
        for item in attributes.items():
            self._slots.setdefault(item, set()).add(slot)
            self._arrays.pop(item, None)

    def remove(self, slot: int, attributes: Mapping[str, str]) -> None:
        """The ad in ``slot`` had these attributes, as they were added."""
        for item in attributes.items():
            slots = self._slots[item]
            slots.remove(slot)
            self._arrays.pop(item, None)
            if not slots:
                del self._slots[item]

    def matching(self, required: Mapping[str, str]) -> NDArray[np.int32]:
        """Slots [n] of the ads that have all of the values, ascending; ``required`` not empty."""
        postings = sorted((self._posting(item) for item in required.items()), key=len)
        found = postings[0]
        for posting in postings[1:]:
            found = np.intersect1d(found, posting, assume_unique=True)
        return found

    def _posting(self, item: tuple[str, str]) -> NDArray[np.int32]:
        array = self._arrays.get(item)
        if array is None:
            slots = self._slots.get(item)
            if slots is None:
                return _EMPTY
            array = np.fromiter(slots, np.int32, len(slots))
            array.sort()
            self._arrays[item] = array
        return array
