"""Maximum inner product search over quantised ad vectors in inverted lists (Jégou et al.,
TPAMI'11), with a last list that is open: ads that came or changed since the lists were built.

The lists never move; an ad that is paused, deleted or changed loses its bit, and a changed one
goes on in the open list. Up to a size there is only the open list. Scores are approximate.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss as typed_faiss
import numpy as np
from numpy.typing import NDArray

from scorer.kernels import Index, Kernels, Lists
from scorer.kernels.arguments import BLOCK
from scorer.memory import shared_arrays
from scorer.memory.page_mapping import use_huge_pages
from scorer.model.deepfm import Floats

#: Its declared types lack what its Python wrappers add.
faiss: Any = typed_faiss
_TRAINING_PER_LIST = 40
#: Rows that are searched for each that is wanted, at least.
_ROWS_FOR_ONE = 4
_ITERATIONS = 5
_ADS_AT_A_TIME = 1 << 18
_LEAST_OPEN = 1 << 16
_OPEN_SHARE = 16
Slots = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sizes:
    """``lists`` is 0 if only the open one is there; ``blocks`` are those of all lists."""

    capacity: int
    dim: int
    lists: int
    blocks: int

    @property
    def groups(self) -> int:
        """Groups of four dimensions."""
        return -(-self.dim // 4)

    def layout(self) -> shared_arrays.Layout:
        """Arrays of an index."""
        centroids = -(-self.lists // BLOCK)
        return {
            "codes": ("u1", (self.blocks, self.groups, BLOCK, 4)),
            "biases": ("<f4", (BLOCK * self.blocks,)),
            "log_prices": ("<f4", (BLOCK * self.blocks,)),
            "live": ("<u2", (self.blocks,)),
            "slots": ("<i4", (BLOCK * self.blocks,)),
            "positions": ("<i4", (self.capacity,)),
            "starts": ("<i8", (self.lists + 1,)),
            "steps": ("<f4", (self.dim,)),
            "open": ("<i8", (1,)),
            "centroid_codes": ("u1", (centroids, self.groups, BLOCK, 4)),
            "centroid_biases": ("<f4", (BLOCK * centroids,)),
            "centroid_log_prices": ("<f4", (BLOCK * centroids,)),
            "centroid_live": ("<u2", (centroids,)),
        }


class RetrievalIndex:
    """``put`` and ``refresh`` are the feeder's."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], probes: int, kernels: Kernels) -> None:
        self.slots: Slots = arrays["slots"]
        self.arrays = arrays
        self._steps: Floats = arrays["steps"]
        self._starts: NDArray[np.int64] = arrays["starts"]
        self._open = arrays["open"]
        self._positions: Slots = arrays["positions"]
        self._rows = Lists(*(arrays[n] for n in ("codes", "biases", "log_prices", "live")))
        names = ("centroid_codes", "centroid_biases", "centroid_log_prices", "centroid_live")
        self._centroids = Lists(*(arrays[name] for name in names))
        self._index = Index(
            self._rows, self._centroids, self._steps, self._starts, self._open, self.slots
        )
        self._lists = len(self._starts) - 1
        self.probes = probes
        self._kernels = kernels

    @property
    def open_share(self) -> float:
        """How full the open list is."""
        first = int(self._starts[-1]) * BLOCK
        return (int(self._open[0]) - first) / (len(self.slots) - first)

    def search(
        self,
        query: Floats,
        count: int,
        allowed: NDArray[np.uint16] | None = None,
        probes: int | None = None,
    ) -> tuple[Slots, Floats]:
        """About the best ``count`` slots for a query [dim + 2], and their scores, in no order."""
        return self._kernels.search(self._index, query, count, probes or self.probes, allowed)

    @property
    def lists(self) -> int:
        """How many inverted lists there are besides the open one."""
        return self._lists

    def probes_for(self, count: int) -> int:
        """How many lists to search for the best ``count``: those of many are not all in a few."""
        rows = int(self._starts[-1]) * BLOCK
        return max(self.probes, -(-_ROWS_FOR_ONE * count * self._lists // max(1, rows)))

    def allowed(self, slots: Slots) -> NDArray[np.uint16]:
        """A mask for ``search`` of the rows of these slots [n] only."""
        mask = np.zeros(len(self._rows.live), np.uint16)
        places = self._positions.take(slots)
        places = places[places > 0] - 1
        np.bitwise_or.at(mask, places // BLOCK, _bits(places))
        return mask

    def put(self, slots: Slots, vectors: Floats, active: NDArray[np.bool_]) -> int:
        """The ads in ``slots`` [n], all different, came or changed; how many had no room."""
        places = self._positions[slots]
        old = places[places > 0] - 1
        start = int(self._open[0])
        room = len(self.slots) - start
        chosen, rows = slots[active][:room], vectors[active][:room]
        new = np.arange(start, start + len(chosen))
        self._encode(new, rows)
        self.slots[new] = chosen
        self._positions[slots] = 0
        self._positions[chosen] = new + 1
        self._open[0] = start + len(chosen)
        np.bitwise_or.at(self._rows.live, new // BLOCK, _bits(new))
        np.bitwise_and.at(self._rows.live, old // BLOCK, ~_bits(old))
        return int(active.sum()) - len(chosen)

    def refresh(self, slots: Slots, vectors: Floats) -> None:
        """The ads in ``slots`` [n] have other vectors [n, dim + 2]; their lists stay."""
        places = self._positions[slots]
        there = places > 0
        self._encode(places[there] - 1, vectors[there])

    def _encode(self, positions: NDArray[Any], vectors: Floats) -> None:
        rows = self._rows
        codes = _codes(vectors[:, :-2], self._steps, rows.codes.shape[1])
        rows.codes[positions // BLOCK, :, positions % BLOCK] = codes
        rows.biases[positions] = vectors[:, -2]
        rows.log_prices[positions] = vectors[:, -1]

    @classmethod
    def build(
        cls,
        path: Path,
        vectors: Floats,
        slots: Slots,
        capacity: int,
        flat_ads: int,
        probes: int,
        kernels: Kernels,
        huge_pages: bool = False,
    ) -> "RetrievalIndex":
        """``vectors`` [.., dim + 2] by slot; the ads in ``slots`` [n] are active."""
        dim = vectors.shape[1] - 2
        lists = int(4 * math.sqrt(len(slots))) if len(slots) > flat_ads else 0
        clusters = _clusters(vectors, slots, lists) if lists else None
        counts = np.empty(0, np.int64)
        if clusters is not None:
            counts = np.bincount(clusters[1], minlength=lists)
        starts = np.concatenate(([0], np.cumsum(-(-counts // BLOCK)))).astype(np.int64)
        room = max(_LEAST_OPEN, len(slots) // _OPEN_SHARE) + (0 if lists else len(slots))
        sizes = Sizes(capacity, dim, lists, int(starts[-1]) + -(-room // BLOCK))
        arrays = shared_arrays.create(path, sizes.layout())
        for name in ("codes", "biases", "log_prices", "slots") if huge_pages else ():
            use_huge_pages(arrays[name])
        index = cls(arrays, probes, kernels)
        largest = np.zeros(dim, np.float32)
        for begin in range(0, len(slots), _ADS_AT_A_TIME):
            rows = vectors[slots[begin : begin + _ADS_AT_A_TIME], :-2]
            np.maximum(largest, np.abs(rows).max(axis=0, initial=0.0), out=largest)
        index._steps[:] = np.maximum(largest, 1e-6) / 127
        index._starts[:] = starts
        index._open[0] = starts[-1] * BLOCK
        if clusters is None:
            index.put(slots, vectors[slots], np.ones(len(slots), np.bool_))
        else:
            index._fill_centroids(clusters[0])
            index._fill(vectors, slots, clusters[1])
        return index

    def _fill_centroids(self, centroids: Floats) -> None:
        named = self._centroids
        places = np.arange(len(centroids))
        codes = _codes(centroids[:, :-2], self._steps, named.codes.shape[1])
        named.codes[places // BLOCK, :, places % BLOCK] = codes
        named.biases[places] = centroids[:, -2]
        named.log_prices[places] = centroids[:, -1]
        np.bitwise_or.at(named.live, places // BLOCK, _bits(places))

    def _fill(self, vectors: Floats, slots: Slots, assigned: NDArray[np.int32]) -> None:
        order = np.argsort(assigned, kind="stable")
        counts = np.bincount(assigned, minlength=self._lists)
        firsts = np.cumsum(counts) - counts
        for begin in range(0, len(slots), _ADS_AT_A_TIME):
            places = order[begin : begin + _ADS_AT_A_TIME]
            lists = assigned[places]
            within = np.arange(begin, begin + len(places)) - firsts[lists]
            positions = self._starts[lists] * BLOCK + within
            chosen = slots[places]
            self._encode(positions, vectors[chosen])
            self.slots[positions] = chosen
            self._positions[chosen] = positions + 1
            np.bitwise_or.at(self._rows.live, positions // BLOCK, _bits(positions))


def _codes(rows: Floats, steps: Floats, groups: int) -> NDArray[np.uint8]:
    """Rows [n, dim] -> [n, groups, 4]; dimensions that only pad are 128, that is zero."""
    codes = np.full((len(rows), 4 * groups), 128, np.uint8)
    codes[:, : rows.shape[1]] = np.clip(np.rint(rows / steps), -127, 127) + 128
    return codes.reshape(len(rows), groups, 4)


def _bits(positions: NDArray[Any]) -> NDArray[np.uint16]:
    return np.left_shift(1, positions % BLOCK).astype(np.uint16)


def _clusters(vectors: Floats, slots: Slots, lists: int) -> tuple[Floats, NDArray[np.int32]]:
    """Centroids [lists, dim + 2] and the nearest one of each ad [n]; prices have no part in it."""
    step = max(1, len(slots) // (_TRAINING_PER_LIST * lists))
    sample = np.ascontiguousarray(vectors[slots[::step]])
    means = faiss.Kmeans(
        sample.shape[1] - 1, lists, niter=_ITERATIONS, seed=1,
        min_points_per_centroid=1, max_points_per_centroid=_TRAINING_PER_LIST,
    )  # fmt: skip
    means.train(np.ascontiguousarray(sample[:, :-1]))
    assigned = np.empty(len(slots), np.int32)
    prices = np.zeros(lists, np.float64)
    for begin in range(0, len(slots), _ADS_AT_A_TIME):
        chosen = slots[begin : begin + _ADS_AT_A_TIME]
        rows = vectors[chosen]
        nearest = means.index.search(np.ascontiguousarray(rows[:, :-1]), 1)[1][:, 0]
        assigned[begin : begin + len(chosen)] = nearest
        prices += np.bincount(nearest, rows[:, -1], minlength=lists)
    mean_prices = prices / np.maximum(np.bincount(assigned, minlength=lists), 1)
    return np.column_stack((means.centroids, mean_prices)).astype(np.float32), assigned
