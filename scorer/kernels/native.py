"""Kernels compiled by deploy/setup.sh, loaded for the processor at hand."""

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.interface import (
    SOURCES,
    AdColumns,
    AnsweredAds,
    ExactWeights,
    Floats,
    Kernels,
    Lists,
    SideWeights,
    Slots,
    Texts,
    TokenFrame,
    TowerWeights,
)
from scorer.kernels.plain import PlainKernels

FOLDER = Path(__file__).resolve().parents[2] / ".build" / "kernels"
#: Best first: a build, and what /proc/cpuinfo must list for it.
BUILDS = {
    "avx512_vnni": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
    "avx2": {"avx2", "fma"},
    "portable": set[str](),
}
_POINTER, _INT, _LONG, _FLOAT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_float
_SOURCE_NAMES = b"".join(name.encode().ljust(16, b"\0") for name in SOURCES)
#: What a token and its ad take on the wire besides their texts and parts: no less than this.
_BYTES_PER_AD = 256
#: Layers wider than this do not fit the kernels' buffers.
WIDEST_LAYER = 1_024
#: Rows that the exact kernels have at hand.
_ROWS = 32


@cache
def best_kernels() -> Kernels:
    """The fastest kernels that were built and that this processor can run."""
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


class NativeKernels:
    """One build. Arrays must be contiguous and of the declared types."""

    def __init__(self, name: str) -> None:
        """Raises OSError if the build is not there."""
        self.name = name
        # Letting go of the interpreter's lock is of no use to a process that has one core, and each
        # time another request takes over, which is then in the way of this one.
        load = ctypes.PyDLL if _has_one_core() else ctypes.CDLL
        library = load(str(FOLDER / f"{name}.so"))
        self._scan: Any = library.list_scan
        self._scan.restype = _LONG
        self._scan.argtypes = (
            _POINTER, _INT, _POINTER, _POINTER, _FLOAT, _POINTER, _POINTER, _POINTER, _POINTER,
            _LONG, _POINTER, _FLOAT, _LONG, _POINTER, _POINTER, _LONG,
        )  # fmt: skip
        self._tower: Any = library.tower_logits
        self._tower.restype = None
        self._tower.argtypes = (
            _POINTER, _POINTER, _POINTER, _LONG, _POINTER, _INT, _INT,
            _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _FLOAT, _POINTER,
        )  # fmt: skip
        self._products: Any = library.gathered_products
        self._products.restype = None
        self._products.argtypes = (_POINTER, _INT, _POINTER, _LONG, _POINTER, _POINTER)
        self._halves: Any = library.side_halves
        self._halves.restype = None
        self._halves.argtypes = (
            _POINTER, _INT, _POINTER, _LONG, _LONG, _INT, _INT, _INT, _INT, _INT, _INT,
            _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _FLOAT, _INT,
            _POINTER, _POINTER, _POINTER, _POINTER,
        )  # fmt: skip
        self._exact: Any = library.exact_tower
        self._exact.restype = None
        self._exact.argtypes = (
            _POINTER, _LONG, _INT, _INT, _INT, _POINTER, _POINTER, _POINTER, _POINTER, _FLOAT,
            _POINTER, _POINTER,
        )  # fmt: skip
        self._parse: Any = library.parse_ads
        self._parse.restype = _LONG
        self._parse.argtypes = (
            *(_POINTER,) * 4, _LONG, *(_POINTER,) * 6, _LONG, _POINTER, _POINTER, _LONG, _POINTER,
            _LONG, _POINTER,
        )  # fmt: skip
        self._ads: Any = library.ranked_ads
        self._ads.restype = _LONG
        self._ads.argtypes = (
            *(_POINTER,) * 6, *(_POINTER, _LONG) * 4, _POINTER, _POINTER, _LONG, _INT, _POINTER,
            _LONG, _POINTER, _POINTER, _LONG, _POINTER, _LONG, *(_POINTER,) * 7, _LONG,
        )  # fmt: skip

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
        codes, biases, log_prices, live = lists.addresses
        found = self._scan(
            codes, lists.codes.shape[1], biases, log_prices, price_weight, live,
            None if allowed is None else _address(allowed),
            _address(starts), _address(ends), len(starts), _address(query), scale,
            wanted, _address(scores), _address(positions), capacity,
        )  # fmt: skip
        return positions[:found], scores[:found]

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
        scaled = request * weights.units[0]
        self._tower(
            _address(hidden), _address(steps), _address(slots), len(slots), _address(scaled),
            weights.towers, len(weights.widths) - 1, *weights.addresses, weights.constant,
            _address(logits),
        )  # fmt: skip
        return logits

    def gathered_products(self, rows: Floats, slots: Slots, query: Floats) -> Floats:
        """See Kernels."""
        products = np.empty(len(slots), np.float32)
        self._products(
            _address(rows), rows.shape[1], _address(slots), len(slots), _address(query),
            _address(products),
        )  # fmt: skip
        return products

    def halves(
        self, side: SideWeights, table: Floats, parts: NDArray[np.void]
    ) -> tuple[Floats, Floats, Floats]:
        """See Kernels."""
        count, dim = len(parts), table.shape[1] - 1
        inputs, width = side.first.shape[1], len(side.start)
        parts = np.ascontiguousarray(parts)
        sums = np.empty((count, dim), np.float32)
        scalars = np.empty(count, np.float32)
        hidden = np.empty((count, width), np.float32)
        room = np.empty(_ROWS * inputs + 3 * dim + 1, np.float32)
        self._halves(
            _address(table), dim, parts.ctypes.data, parts.itemsize, count, side.ids_at,
            side.fields, side.sequence_at, side.length, side.numbers_at, side.numbers,
            *side.addresses, side.bias, width,
            _address(sums), _address(scalars), _address(hidden), _address(room),
        )  # fmt: skip
        return sums, scalars, hidden

    def exact_logits(self, weights: ExactWeights, hidden: Floats) -> Floats:
        """See Kernels."""
        logits = np.empty(len(hidden), np.float32)
        room = np.empty(2 * _ROWS * int(weights.widths.max()), np.float32)
        hidden = np.ascontiguousarray(hidden, np.float32)
        self._exact(
            _address(hidden), len(hidden), weights.inputs, weights.towers,
            len(weights.widths) - 1, *weights.addresses, weights.constant,
            _address(logits), _address(room),
        )  # fmt: skip
        return logits

    def parse_ads(self, keys: Sequence[bytes], values: Sequence[bytes], header: bytes) -> AdColumns:
        """See Kernels."""
        count, blob = len(values), b"".join(values)
        ends, key_ends = _ends(values), _ends(keys)
        read, active = np.empty(count, np.bool_), np.empty(count, np.bool_)
        versions, prices = np.empty(count, np.int64), np.empty(count, np.int64)
        counts, room = np.zeros(2, np.int64), 16 * count + 64
        while True:
            items, offsets = np.empty((room, 3), np.int32), np.empty(room, np.int64)
            lengths = np.empty(room, np.int32)
            cells = np.zeros(1 << (2 * room).bit_length(), np.int32)
            if not self._parse(
                blob, _address(ends), b"".join(keys), _address(key_ends), count, header,
                _address(read), _address(active), _address(versions), _address(prices),
                _address(items), room, _address(offsets), _address(lengths), room,
                _address(cells), len(cells) - 1, _address(counts),
            ):  # fmt: skip
                break
            room *= 2
        begins, sizes = offsets[: counts[1]].tolist(), lengths[: counts[1]].tolist()
        texts = [blob[begin : begin + size] for begin, size in zip(begins, sizes, strict=True)]
        return AdColumns(read, active, versions, prices, items[: counts[0]], texts)

    def ranked_ads(self, ids: Texts, values: Texts, frame: TokenFrame, ads: AnsweredAds) -> bytes:
        """See Kernels."""
        count, part = len(ads.slots), ads.parts.itemsize
        fixed = len(frame.head) + len(frame.middle) + len(frame.after) + len(frame.request_part)
        room = count * (_BYTES_PER_AD + fixed + len(frame.constants) + part)
        while True:
            out = np.empty((2, room), np.uint8)
            begin = _address(out)
            size = self._ads(
                *ids.addresses, *values.addresses, frame.head, len(frame.head), frame.middle,
                len(frame.middle), frame.after, len(frame.after), frame.pieces,
                len(frame.pieces) // 8, frame.constants, frame.request_part,
                len(frame.request_part), frame.key_id, frame.key, count, _address(ads.slots),
                _address(ads.attributes), ads.attributes.shape[1], ads.parts.ctypes.data, part,
                _address(ads.ctrs), _address(ads.propensities), _address(ads.expected_values),
                _address(ads.sources), _SOURCE_NAMES, begin, begin + room, room,
            )  # fmt: skip
            if size >= 0:
                return out[1, :size].tobytes()
            room *= 2


def _ends(texts: Sequence[bytes]) -> NDArray[np.int64]:
    return np.cumsum([len(text) for text in texts], dtype=np.int64)


def _has_one_core() -> bool:
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) == 1


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
