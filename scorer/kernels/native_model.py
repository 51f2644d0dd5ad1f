"""Native kernels for the model: which candidates are worth it, and their scores."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.arguments import (
    ExactWeights,
    Floats,
    Knots,
    SideWeights,
    Slots,
    StoredHalves,
    TowerWeights,
)
from scorer.kernels.library import INT, LONG, POINTER, address
from scorer.kernels.request_half import RequestHalf


class NativeModel:
    """Functions of tower.c, exact.c and choice.c; see Kernels."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._tower: Any = library.tower_logits
        self._tower.restype = None
        self._tower.argtypes = (*(POINTER,) * 4, LONG, POINTER, POINTER)
        self._products: Any = library.gathered_products
        self._products.restype = None
        self._products.argtypes = (POINTER, INT, POINTER, LONG, POINTER, INT, POINTER)
        self._finalists: Any = library.finalists
        self._finalists.restype = None
        self._finalists.argtypes = (POINTER, POINTER, INT, *(POINTER,) * 4, *(LONG,) * 3, POINTER)
        self._halves: Any = library.side_halves
        self._halves.restype = None
        self._halves.argtypes = (POINTER, POINTER, LONG, LONG, *(POINTER,) * 3)
        self._exact: Any = library.exact_tower
        self._exact.restype = None
        self._exact.argtypes = (POINTER, POINTER, LONG, POINTER)
        self._scores: Any = library.exact_scores
        self._scores.restype = None
        self._scores.argtypes = (*(POINTER,) * 3, LONG, LONG, *(POINTER,) * 3)
        self._probabilities: Any = library.probabilities
        self._probabilities.restype = None
        self._probabilities.argtypes = (POINTER, POINTER, LONG, POINTER)

    def tower_logits(
        self,
        weights: TowerWeights,
        hidden: NDArray[np.int8],
        steps: Floats,
        slots: Slots,
        request: Floats,
    ) -> Floats:
        """See Kernels."""
        logits = np.empty(len(slots), np.float32)
        self._tower(
            weights.packed, address(hidden), address(steps), address(slots), len(slots),
            address(request), address(logits),
        )  # fmt: skip
        return logits

    def gathered_products(self, rows: Floats, slots: Slots, query: Floats) -> Floats:
        """See Kernels."""
        products = np.empty(len(slots), np.float32)
        self._products(
            address(rows), rows.shape[1], address(slots), len(slots), address(query), len(query),
            address(products),
        )  # fmt: skip
        return products

    def finalists(
        self,
        stored: StoredHalves,
        half: RequestHalf,
        slots: Slots,
        wanted: int,
        tower: TowerWeights | None,
        shortlist: int,
        knots: Knots,
        prices: NDArray[np.int64] | None,
    ) -> Slots:
        """See Kernels."""
        chosen = np.empty(wanted, np.int32)
        self._finalists(
            stored.packed, half.all.tobytes(), half.dim, None if tower is None else tower.packed,
            knots.packed,
            None if prices is None else address(prices), slots.tobytes(), len(slots), shortlist,
            wanted, address(chosen),
        )  # fmt: skip
        return chosen

    def halves(self, side: SideWeights, parts: NDArray[np.void]) -> tuple[Floats, Floats, Floats]:
        """See Kernels."""
        count, dim, width = len(parts), side.dim, len(side.start)
        # One array, as to ask for the address of each takes long.
        ends = count * dim, count * (dim + 1)
        found = np.empty(count * (dim + 1 + width), np.float32)
        begin = address(found)
        self._halves(
            side.packed, parts.tobytes(), parts.itemsize, count, begin, begin + 4 * ends[0],
            begin + 4 * ends[1],
        )  # fmt: skip
        sums, hidden = found[: ends[0]], found[ends[1] :]
        return sums.reshape(count, dim), found[ends[0] : ends[1]], hidden.reshape(count, width)

    def request_half(self, side: SideWeights, part: NDArray[np.void]) -> RequestHalf:
        """See Kernels."""
        dim = side.dim
        found = np.empty(dim + 1 + len(side.start), np.float32)
        begin = address(found)
        self._halves(
            side.packed, part.tobytes(), part.itemsize, 1, begin, begin + 4 * dim,
            begin + 4 * (dim + 1),
        )  # fmt: skip
        return RequestHalf(found, dim)

    def exact_logits(self, weights: ExactWeights, hidden: Floats) -> Floats:
        """See Kernels."""
        logits = np.empty(len(hidden), np.float32)
        hidden = np.ascontiguousarray(hidden, np.float32)
        self._exact(weights.packed, address(hidden), len(hidden), address(logits))
        return logits

    def exact_scores(
        self,
        side: SideWeights,
        parts: NDArray[np.void],
        half: RequestHalf,
        weights: ExactWeights,
        knots: Knots | None,
    ) -> NDArray[np.float64]:
        """See Kernels."""
        scores = np.empty(len(parts))
        self._scores(
            side.packed, weights.packed, parts.tobytes(), parts.itemsize, len(parts),
            half.all.tobytes(), None if knots is None else knots.packed, address(scores),
        )  # fmt: skip
        return scores

    def probabilities(self, knots: Knots, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Kernels."""
        found = np.empty(len(logits))
        self._probabilities(knots.packed, address(logits), len(logits), address(found))
        return found
