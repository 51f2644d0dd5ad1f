"""Arrays of one value per ad slot. They grow by doubling; readers take them under the lock."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.layout import Layout

FIRST_CAPACITY = 1_024


def grown(array: NDArray[Any], capacity: int) -> NDArray[Any]:
    """A copy with ``capacity`` rows, the new ones zero."""
    larger = np.zeros((capacity, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


@dataclass(slots=True)
class AdArrays:
    """Everything about ads that no model has a part in, [capacity] each.

    ``parts`` are the encoded ad parts; ``revisions`` the catalogue's revision at the last change
    of a part; ``impressions`` and ``clicks`` those of the last day.
    """

    parts: NDArray[np.void]
    active: NDArray[np.bool_]
    prices: NDArray[np.int64]
    revisions: NDArray[np.int64]
    impressions: NDArray[np.float32]
    clicks: NDArray[np.float32]

    @classmethod
    def empty(cls, layout: Layout) -> "AdArrays":
        """Room for the first ads."""
        return cls(
            parts=np.zeros(FIRST_CAPACITY, layout.ad_dtype),
            active=np.zeros(FIRST_CAPACITY, np.bool_),
            prices=np.zeros(FIRST_CAPACITY, np.int64),
            revisions=np.zeros(FIRST_CAPACITY, np.int64),
            impressions=np.zeros(FIRST_CAPACITY, np.float32),
            clicks=np.zeros(FIRST_CAPACITY, np.float32),
        )

    @property
    def capacity(self) -> int:
        """How many slots there is room for."""
        return len(self.active)

    def reserve(self, slots: int) -> None:
        """Make room for this many slots."""
        capacity = self.capacity
        while capacity < slots:
            capacity *= 2
        if capacity == self.capacity:
            return
        self.parts = grown(self.parts, capacity)
        self.active = grown(self.active, capacity)
        self.prices = grown(self.prices, capacity)
        self.revisions = grown(self.revisions, capacity)
        self.impressions = grown(self.impressions, capacity)
        self.clicks = grown(self.clicks, capacity)
