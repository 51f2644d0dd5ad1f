"""Which ads a request may be answered with: active, not blocked, and with what it requires."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Eligible:
    """``mask`` [slots]; ``slots`` lists them where targeting made them few enough to list."""

    mask: NDArray[np.bool_]
    count: int
    slots: NDArray[np.int32] | None

    def bitmap(self) -> NDArray[np.uint8]:
        """A bit per slot, lowest first."""
        return np.packbits(self.mask, bitorder="little")

    def only(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        """Those of the slots [n] that are eligible."""
        known = slots[slots < len(self.mask)]
        eligible: NDArray[np.int32] = known[self.mask[known]]
        return eligible


def eligible_ads(
    catalogue: Catalogue, blocked: Collection[str], required: Mapping[str, str]
) -> Eligible:
    """Eligible ads as of now. Unknown blocked ads do not matter."""
    found = (catalogue.slot(ad_id) for ad_id in blocked)
    blocked_slots = np.array([slot for slot in found if slot is not None], np.int32)
    matching = catalogue.slots_with(required) if required else None
    with catalogue.lock:
        active = catalogue.arrays.active[: catalogue.slot_count]
        if matching is None:
            mask, count = active.copy(), catalogue.active_ads
        else:
            mask = np.zeros(len(active), np.bool_)
            mask[matching] = active[matching]
            count = int(mask[matching].sum())
    blocked_slots = np.unique(blocked_slots[blocked_slots < len(mask)])
    count -= int(mask[blocked_slots].sum())
    mask[blocked_slots] = False
    return Eligible(mask, count, None if matching is None else matching[mask[matching]])
