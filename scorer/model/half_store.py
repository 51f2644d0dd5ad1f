"""The ad halves of one model version, by slot: what retrieval and the choice of finalists read.

They are approximate, and may be read while they change: what is served is computed from an ad's
part again, see scorer.ranking.ranker.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.kernels import RequestHalf, StoredHalves
from scorer.memory.shared_arrays import Layout
from scorer.model.deepfm import Floats, Halves
from scorer.model.tower_layers import padded

_LARGEST = 127
#: Of an ad's scalar and of its log price in a request's order, which is by value or is not.
_WEIGHTS = (np.array([1.0, 0.0], np.float32), np.array([1.0, 1.0], np.float32))


class HalfStore:
    """``vectors`` [capacity, dim + 2]: FM sum, scalar with the usual tower, log price; ``usual``
    [capacity] is that tower; ``hidden`` [capacity, towers · width] in 8 bits, in ``steps``
    [capacity]. ``width`` is ``tower_width`` up to a multiple of 32.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], towers: int) -> None:
        self.vectors: Floats = arrays["vectors"]
        self.usual: Floats = arrays["usual"]
        self.hidden: NDArray[np.int8] = arrays["hidden"]
        self.steps: Floats = arrays["steps"]
        self.stored = StoredHalves(self.vectors, self.usual, self.hidden, self.steps)
        self._towers = towers
        # Of vectors, all but the last are as in a request's half.
        self._request_floats = self.vectors.shape[1] - 1 + self.hidden.shape[1]
        self._writes = arrays["writes"]

    @staticmethod
    def layout(capacity: int, dim: int, towers: int, tower_width: int) -> Layout:
        """Arrays of a store."""
        return {
            "vectors": ("<f4", (capacity, dim + 2)),
            "usual": ("<f4", (capacity,)),
            "hidden": ("i1", (capacity, towers * padded(tower_width))),
            "steps": ("<f4", (capacity,)),
            "writes": ("<i8", (1,)),
        }

    @property
    def writes(self) -> int:
        """How many rows were written."""
        return int(self._writes[0])

    def write(
        self,
        slots: NDArray[np.int32],
        halves: Halves,
        usual: Floats,
        prices: NDArray[np.int64],
    ) -> None:
        """Halves [n] and usual tower [n] of the ads in ``slots`` [n], which cost ``prices`` [n]."""
        steps = np.abs(halves.hidden).max(axis=1, initial=0.0) / np.float32(_LARGEST)
        steps = np.maximum(steps, np.float32(1e-9))
        self.vectors[slots] = ad_vectors(halves, usual, prices)
        self.usual[slots] = usual
        self.hidden[slots] = self.by_tower(np.rint(halves.hidden / steps[:, None])).astype(np.int8)
        self.steps[slots] = steps
        self._writes[0] += len(slots)

    def of_request(self, half: RequestHalf) -> RequestHalf:
        """With each tower's part padded as in ``hidden``."""
        if len(half.all) == self._request_floats:
            return half
        hidden = self.by_tower(half.hidden[np.newaxis])[0]
        return RequestHalf(np.concatenate((half.all[: half.dim + 1], hidden)), half.dim)

    def by_tower(self, hidden: Floats) -> Floats:
        """First layers [n, towers · width] with each tower's part padded as in ``hidden``."""
        width = hidden.shape[1] // self._towers
        if padded(width) == width:
            return hidden
        parts = np.zeros((len(hidden), self._towers, padded(width)), hidden.dtype)
        parts[:, :, :width] = hidden.reshape(len(hidden), self._towers, width)
        return parts.reshape(-1, self._towers * padded(width))


def ad_vectors(halves: Halves, usual: Floats, prices: NDArray[np.int64]) -> Floats:
    """What retrieval searches: FM sum, scalar with the usual tower, log price, [n, dim + 2]."""
    log_prices = np.log(np.maximum(prices, 1)).astype(np.float32)
    return np.column_stack((halves.fm_sums, halves.scalars + usual, log_prices))


def query(request: RequestHalf, by_value: bool) -> Floats:
    """A request's vector [dim + 2] for an inner product with ad vectors.

    It gives the logit without request scalar and with the usual tower; by value, plus the log
    price: the order of expected values, as a small probability is about the exponential of its
    logit.
    """
    return np.concatenate((request.sums, _WEIGHTS[by_value]))
