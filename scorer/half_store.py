"""The ad halves of one model version, by slot, ready to be gathered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.ad_arrays import AdArrays, grown
from scorer.deepfm import Floats, Halves


@dataclass(frozen=True, slots=True)
class AdRows:
    """Ads of one request, read together: [n] each, ``vectors`` and ``hidden`` as in the store."""

    active: NDArray[np.bool_]
    parts: NDArray[np.void]
    vectors: Floats
    hidden: Floats
    prices: NDArray[np.int64]


class HalfStore:
    """``vectors`` [capacity, dim + 2]: FM sum, scalar, log price; ``hidden`` [capacity, h1].

    Written and gathered under the catalogue's lock, except while it is built aside. ``writes``
    counts the writes.
    """

    def __init__(self, capacity: int, dim: int, hidden: int) -> None:
        self.vectors: Floats = np.zeros((capacity, dim + 2), np.float32)
        self.hidden: Floats = np.zeros((capacity, hidden), np.float32)
        self.writes = 0

    def write(self, slots: NDArray[np.int32], halves: Halves, prices: NDArray[np.int64]) -> None:
        """Halves [n] of the ads in ``slots`` [n], which cost ``prices`` [n]."""
        needed = int(slots.max(initial=-1)) + 1
        if needed > len(self.vectors):
            capacity = max(needed, 2 * len(self.vectors))
            self.vectors = grown(self.vectors, capacity)
            self.hidden = grown(self.hidden, capacity)
        self.vectors[slots] = ad_vectors(halves, prices)
        self.hidden[slots] = halves.hidden
        self.writes += 1

    def gather(self, slots: NDArray[np.int32], arrays: AdArrays) -> AdRows:
        """The ads in ``slots`` [n]; call it under the catalogue's lock.

        A request that keeps a model which was just replaced may ask for an ad that is newer than
        this store: it gets some other halves for it, but no error.
        """
        return AdRows(
            active=arrays.active.take(slots),
            parts=arrays.parts.take(slots),
            vectors=self.vectors.take(slots, axis=0, mode="clip"),
            hidden=self.hidden.take(slots, axis=0, mode="clip"),
            prices=arrays.prices.take(slots),
        )


def ad_vectors(halves: Halves, prices: NDArray[np.int64]) -> Floats:
    """What retrieval searches: FM sum, scalar, log price, [n, dim + 2]."""
    log_prices = np.log(np.maximum(prices, 1)).astype(np.float32)
    return np.column_stack((halves.fm_sums, halves.scalars, log_prices))


def query(request: Halves, by_value: bool) -> Floats:
    """A request's vector [dim + 2] for an inner product with ad vectors.

    It gives the logit without tower and request scalar; by value, plus the log price: the order
    of expected values, as a small probability is about the exponential of its logit.
    """
    return np.concatenate((request.fm_sums[0], np.array([1.0, by_value], np.float32)))
