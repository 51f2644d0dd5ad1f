"""Ads that are ranked although retrieval did not find them: the most clicked, and the newest."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scorer.ads.eligibility import Eligible
from scorer.ads.popularity import PopularAds
from scorer.kernels import SOURCES

RETRIEVAL, POPULARITY, RECENT, EXPLORATION = range(len(SOURCES))
Slots = NDArray[np.int32]
#: Lists of popular ads whose slots are known: there are as many as groups of requests.
_REMEMBERED = 256


class CandidateSources:
    """At most ``popular`` and ``recent`` ads beside those of retrieval."""

    def __init__(self, popular: int, recent: int) -> None:
        self._popular = popular
        self._recent = recent
        self._wanted: dict[int, tuple[PopularAds, bytes, Slots, Mapping[int, int]]] = {}

    def merged(
        self, retrieved: Slots, popular: PopularAds, eligible: Eligible
    ) -> tuple[Slots, Mapping[int, int]]:
        """Slots of all sources, ascending as are those of retrieval [n]; the places in SOURCES of
        the others."""
        newest = eligible.catalogue.newest.last(self._recent)
        wanted, sources = self._others(popular, newest)
        if not len(wanted):
            return retrieved, sources
        if len(retrieved):
            at_or_behind = retrieved.take(retrieved.searchsorted(wanted), mode="clip")
            wanted = wanted[at_or_behind != wanted]
        merged = np.concatenate((retrieved, eligible.only(wanted)))
        merged.sort()
        return merged, sources

    def _others(self, popular: PopularAds, newest: Slots) -> tuple[Slots, Mapping[int, int]]:
        """Slots [m], each once, and their sources; the same for many requests in a row."""
        known, key = self._wanted.get(id(popular)), newest.tobytes()
        if known is not None and known[0] is popular and known[1] == key:
            return known[2:]
        sources = dict.fromkeys(newest.tolist(), RECENT)
        sources |= dict.fromkeys(popular.slots[: self._popular].tolist(), POPULARITY)
        wanted = np.fromiter(sources, np.int32, len(sources))
        if len(self._wanted) >= _REMEMBERED:
            self._wanted.clear()
        self._wanted[id(popular)] = (popular, key, wanted, sources)
        return wanted, sources
