"""Ads that are ranked although retrieval did not find them: the most clicked, and the newest."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scorer.eligibility import Eligible
from scorer.popularity import PopularAds

RETRIEVAL = "retrieval"


class CandidateSources:
    """At most ``popular`` and ``recent`` ads beside those of retrieval."""

    def __init__(self, popular: int, recent: int) -> None:
        self._popular = popular
        self._recent = recent

    def merged(
        self, retrieved: NDArray[np.int32], popular: PopularAds, eligible: Eligible
    ) -> tuple[NDArray[np.int32], Mapping[int, str]]:
        """Slots of all sources, ascending; the sources of those that retrieval missed."""
        found: dict[str, NDArray[np.int32]] = {
            "recent": eligible.catalogue.attributes.newest(self._recent),
            "popularity": popular.slots[: self._popular],
        }
        wanted = np.unique(np.concatenate(tuple(found.values())))
        added = np.setdiff1d(eligible.only(wanted), retrieved, assume_unique=True)
        if not len(added):
            return retrieved, {}
        sources = {slot: name for name, slots in found.items() for slot in slots.tolist()}
        slots = np.union1d(retrieved, added)
        return slots, {slot: sources[slot] for slot in added.tolist()}
