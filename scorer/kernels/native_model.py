"""Native kernels for the model: which candidates are worth it, and their scores."""

import ctypes
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.arguments import (
    ExactWeights,
    Floats,
    Knots,
    RequestHalf,
    SideWeights,
    Slots,
    StoredHalves,
    TowerWeights,
)
from scorer.kernels.library import INT, LONG, POINTER, address


class NativeModel:
    """Functions of tower.c, exact.c and choice.c; see Kernels."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._rows_at_once: int = INT.in_dll(library, "exact_rows").value
        self._tower: Any = library.tower_logits
        self._tower.restype = None
        self._tower.argtypes = (*(POINTER,) * 4, LONG, POINTER, POINTER)
        self._products: Any = library.gathered_products
        self._products.restype = None
        self._products.argtypes = (POINTER, INT, POINTER, LONG, POINTER, INT, POINTER)
        self._finalists: Any = library.finalists
        self._finalists.restype = None
        self._finalists.argtypes = (*(POINTER,) * 6, LONG, LONG, LONG, POINTER)
        self._halves: Any = library.side_halves
        self._halves.restype = None
        self._halves.argtypes = (POINTER, POINTER, INT, POINTER, LONG, LONG, *(POINTER,) * 4)
        self._exact: Any = library.exact_tower
        self._exact.restype = None
        self._exact.argtypes = (POINTER, POINTER, LONG, POINTER, POINTER)
        self._scores: Any = library.exact_scores
        self._scores.restype = None
        self._scores.argtypes = (*(POINTER,) * 4, LONG, LONG, *(POINTER,) * 3)
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
        count = len(slots)
        chosen, room = slots.copy(), np.empty(3 * count, np.float32)
        self._finalists(
            stored.packed, _packed(half),
            None if tower is None else tower.packed, knots.packed,
            None if prices is None else address(prices),
            address(chosen), count, shortlist, wanted, address(room),
        )  # fmt: skip
        return chosen[:wanted]

    def halves(
        self, side: SideWeights, table: Floats, parts: NDArray[np.void]
    ) -> tuple[Floats, Floats, Floats]:
        """See Kernels."""
        count, dim = len(parts), table.shape[1] - 1
        width = len(side.start)
        sums = np.empty((count, dim), np.float32)
        scalars = np.empty(count, np.float32)
        hidden = np.empty((count, width), np.float32)
        room = np.empty(self._halves_room(side, dim), np.float32)
        self._halves(
            side.packed, address(table), dim, parts.tobytes(), parts.itemsize, count,
            address(sums), address(scalars), address(hidden), address(room),
        )  # fmt: skip
        return sums, scalars, hidden

    def exact_logits(self, weights: ExactWeights, hidden: Floats) -> Floats:
        """See Kernels."""
        logits = np.empty(len(hidden), np.float32)
        room = np.empty(2 * self._rows_at_once * weights.widest, np.float32)
        hidden = np.ascontiguousarray(hidden, np.float32)
        self._exact(weights.packed, address(hidden), len(hidden), address(logits), address(room))
        return logits

    def exact_scores(
        self,
        side: SideWeights,
        table: Floats,
        parts: NDArray[np.void],
        half: RequestHalf,
        weights: ExactWeights,
    ) -> Floats:
        """See Kernels."""
        count, dim = len(parts), table.shape[1] - 1
        rows, width = self._rows_at_once, len(side.start)
        logits = np.empty(count, np.float32)
        rest = max(self._halves_room(side, dim), 2 * rows * weights.widest)
        room = np.empty(rows * (dim + width + 2) + rest, np.float32)
        self._scores(
            side.packed, weights.packed, address(table), parts.tobytes(),
            parts.itemsize, count, _packed(half), address(logits), address(room),
        )  # fmt: skip
        return logits

    def probabilities(self, knots: Knots, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Kernels."""
        found = np.empty(len(logits))
        self._probabilities(knots.packed, address(logits), len(logits), address(found))
        return found

    def _halves_room(self, side: SideWeights, dim: int) -> int:
        """Floats that side_halves in exact.c works with."""
        inputs: int = side.first.shape[1]
        return self._rows_at_once * inputs + 3 * dim + 1


def _packed(half: RequestHalf) -> bytes:
    """For C: Request in kernels.h."""
    begins = address(half.sums), address(half.hidden)
    return struct.pack("2Pfi", *begins, half.scalar, len(half.sums))
