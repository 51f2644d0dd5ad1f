"""Kernels compiled by deploy/setup.sh, loaded for the processor at hand."""

import itertools
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.arguments import Columns, Floats, Index, Lists, Slots
from scorer.kernels.interface import Kernels
from scorer.kernels.library import FLOAT, FOLDER, INT, LONG, POINTER, address, load, require_current
from scorer.kernels.native_ads import NativeAds
from scorer.kernels.native_model import NativeModel
from scorer.kernels.plain import PlainKernels

#: Best first: a build, and what /proc/cpuinfo must list for it.
BUILDS = {
    "avx512_vnni": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
    "avx2": {"avx2", "fma"},
    "portable": set[str](),
}


@cache
def best_kernels() -> Kernels:
    """The fastest kernels that were built and that this processor can run.

    Raises StaleKernelsError.
    """
    require_current()
    flags = processor_flags()
    for name, needed in BUILDS.items():
        if needed <= flags and (FOLDER / f"{name}.so").exists():
            return NativeKernels(name)
    return PlainKernels()


def processor_flags() -> set[str]:
    """What /proc/cpuinfo lists; nothing on other processors than x86."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return set(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())


class NativeKernels(NativeModel, NativeAds):
    """One build. Arrays must be contiguous and of the declared types."""

    def __init__(self, name: str) -> None:
        """Raises OSError if the build is not there."""
        self.name = name
        library = load(name)
        NativeModel.__init__(self, library)
        NativeAds.__init__(self, library)
        self._scan: Any = library.list_scan
        self._scan.restype = LONG
        self._scan.argtypes = (
            POINTER, POINTER, POINTER, LONG, POINTER, FLOAT, FLOAT, POINTER, LONG,
            POINTER, POINTER, LONG,
        )  # fmt: skip
        self._rows: Any = library.read_rows
        self._rows.restype = INT
        self._rows.argtypes = (POINTER, LONG, POINTER, LONG, POINTER)
        self._search: Any = library.index_search
        self._search.restype = LONG
        self._search.argtypes = (POINTER, POINTER, LONG, LONG, POINTER, POINTER, POINTER, LONG)

    def scan(
        self,
        lists: Lists,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        query: NDArray[np.int8],
        scale: float,
        price_weight: float,
        wanted: int,
        allowed: NDArray[np.uint16] | None = None,
    ) -> tuple[Slots, Floats]:
        """See Kernels."""
        capacity = 2 * wanted + 32
        scores, positions = np.empty(capacity, np.float32), np.empty(capacity, np.int32)
        found = self._scan(
            lists.packed, address(starts), address(ends), len(starts), address(query), scale,
            price_weight, None if allowed is None else address(allowed), wanted, address(scores),
            address(positions), capacity,
        )  # fmt: skip
        return positions[:found], scores[:found]

    def search(
        self,
        index: Index,
        query: Floats,
        wanted: int,
        probes: int,
        allowed: NDArray[np.uint16] | None = None,
    ) -> tuple[Slots, Floats]:
        """See Kernels."""
        capacity = 2 * wanted + 32
        scores, slots = np.empty(capacity, np.float32), np.empty(capacity, np.int32)
        found = self._search(
            index.packed, address(query), wanted, probes,
            None if allowed is None else address(allowed), address(slots), address(scores),
            capacity,
        )  # fmt: skip
        return slots[:found], scores[:found]

    def read_rows(
        self, columns: Columns, names: int, slots: Slots
    ) -> tuple[Sequence[NDArray[Any]], NDArray[np.int32]] | None:
        """See Kernels."""
        rows, singles = len(slots), columns.arrays
        ends = list(itertools.accumulate(rows * array.itemsize for array in singles))
        out = np.empty(ends[-1] + 4 * names * rows, np.uint8)
        count = len(singles) + names
        if not self._rows(columns.packed, count, slots.tobytes(), rows, address(out)):
            return None
        starts = (0, *ends)
        read: list[NDArray[Any]] = [
            np.ndarray(rows, array.dtype, out, start)
            for array, start in zip(singles, starts, strict=False)
        ]
        return read, np.ndarray((names, rows), np.int32, out, ends[-1])
