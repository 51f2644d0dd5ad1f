"""Which ads a request may be answered with: active, not blocked, and with what it requires."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scorer.ads.ad_arrays import AdRows
from scorer.ads.catalogue import Catalogue

_NONE = np.empty(0, np.int32)


@dataclass(frozen=True)
class Eligible:
    """As of now. ``slots`` [n] are those that have what is required; None: nothing is.

    ``blocked`` [n] are slots; ``unknown`` are blocked ads that are not there yet.
    """

    catalogue: Catalogue
    blocked: NDArray[np.int32]
    required: Mapping[str, str]
    slots: NDArray[np.int32] | None
    unknown: frozenset[str] = frozenset()

    @cached_property
    def count(self) -> int:
        """How many ads are eligible."""
        if self.slots is not None:
            return len(self.slots)
        active_ads = self.catalogue.active_ads
        if not len(self.blocked):
            return active_ads
        return active_ads - int(self.catalogue.arrays.active.take(self.blocked).sum())

    def only(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        """Those of the slots [n] that are eligible."""
        allowed = self.catalogue.arrays.active[slots]
        if len(self.blocked):
            allowed &= ~np.isin(slots, self.blocked)
        if self.required:
            allowed &= self.catalogue.attributes.matches(slots, self.required)
        eligible: NDArray[np.int32] = slots[allowed]
        return eligible

    def still(self, slots: NDArray[np.int32], rows: AdRows) -> NDArray[np.bool_]:
        """Which of the ads in ``slots`` [n] are eligible as they were read: one may have come or
        changed since it was found."""
        allowed = rows.active
        if self.required:
            codes = rows.attributes.T
            allowed = allowed & self.catalogue.attributes.matching_codes(codes, self.required)
        if self.unknown:
            text = self.catalogue.arrays.ids.text
            names = (text(slot) for slot in slots.tolist())
            allowed = allowed & np.array([name not in self.unknown for name in names], np.bool_)
        return allowed

    @property
    def listed(self) -> NDArray[np.int32]:
        """All eligible slots, ascending: for when they are few."""
        if self.slots is not None:
            return self.slots
        return self.only(self.catalogue.slots_in_use())

    @property
    def drawable(self) -> NDArray[np.int32] | range:
        """Slots [n] of which the eligible ones are a part, to draw from."""
        return range(self.catalogue.slot_count) if self.slots is None else self.slots


def eligible_ads(
    catalogue: Catalogue, blocked: Collection[str], required: Mapping[str, str]
) -> Eligible:
    """Eligible ads as of now."""
    unwanted, unknown = _NONE, frozenset[str]()
    if blocked:
        found = [(ad_id, catalogue.slot(ad_id)) for ad_id in blocked]
        unwanted = np.unique(np.array([slot for _, slot in found if slot is not None], np.int32))
        unknown = frozenset(ad_id for ad_id, slot in found if slot is None)
    every = Eligible(catalogue, unwanted, {}, None, unknown)
    if not required:
        return every
    slots = every.only(catalogue.attributes.matching(required))
    return Eligible(catalogue, unwanted, required, slots, unknown)
