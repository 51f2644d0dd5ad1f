"""Which ads came last, in a ring that all processes share. What only changed is not among them."""

import numpy as np
from numpy.typing import NDArray

from scorer.ads.ad_arrays import NEWEST_ADS, AdArrays


class NewestAds:
    """``add`` is the feeder's."""

    def __init__(self, arrays: AdArrays) -> None:
        self._ring, self._count = arrays.newest, arrays.newest_count

    def add(self, slots: NDArray[np.int32]) -> None:
        """Ads that are new have come into ``slots`` [n]."""
        count, slots = int(self._count[0]), slots[-NEWEST_ADS:]
        self._ring[np.arange(count, count + len(slots)) % NEWEST_ADS] = slots
        self._count[0] += len(slots)

    def last(self, count: int) -> NDArray[np.int32]:
        """Slots of at most so many ads, the newest one last; some may be there no more."""
        came = int(self._count[0])
        begin, end = came % NEWEST_ADS - min(count, came, NEWEST_ADS), came % NEWEST_ADS
        if begin >= 0:
            return self._ring[begin:end].copy()
        return np.concatenate((self._ring[begin:], self._ring[:end]))
