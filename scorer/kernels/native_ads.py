"""Native kernels for what is said of ads: read from Redis, written into answers."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.arguments import SOURCES, AdColumns, AnsweredAds, Texts, TokenFrame
from scorer.kernels.library import INT, LONG, POINTER, address

_SOURCE_NAMES = b"".join(name.encode().ljust(16, b"\0") for name in SOURCES)
#: What a token and its ad take on the wire besides their texts and parts: no less than this.
_BYTES_PER_AD = 256


class NativeAds:
    """Functions of answer.c and catalogue.c; see Kernels."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._parse: Any = library.parse_ads
        self._parse.restype = LONG
        self._parse.argtypes = (
            *(POINTER,) * 4, LONG, *(POINTER,) * 6, LONG, POINTER, POINTER, LONG, POINTER,
            LONG, POINTER,
        )  # fmt: skip
        self._ads: Any = library.ranked_ads
        self._ads.restype = LONG
        self._ads.argtypes = (
            *(POINTER,) * 6, *(POINTER, LONG) * 4, POINTER, POINTER, LONG, INT, POINTER,
            LONG, POINTER, POINTER, LONG, POINTER, LONG, *(POINTER,) * 7, LONG,
        )  # fmt: skip

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
                blob, address(ends), b"".join(keys), address(key_ends), count, header,
                address(read), address(active), address(versions), address(prices),
                address(items), room, address(offsets), address(lengths), room,
                address(cells), len(cells) - 1, address(counts),
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
            begin = address(out)
            size = self._ads(
                *ids.addresses, *values.addresses, frame.head, len(frame.head), frame.middle,
                len(frame.middle), frame.after, len(frame.after), frame.pieces,
                len(frame.pieces) // 8, frame.constants, frame.request_part,
                len(frame.request_part), frame.key_id, frame.key, count, address(ads.slots),
                address(ads.attributes), ads.attributes.shape[1], ads.parts.tobytes(), part,
                address(ads.ctrs), address(ads.propensities), address(ads.expected_values),
                address(ads.sources), _SOURCE_NAMES, begin, begin + room, room,
            )  # fmt: skip
            if size >= 0:
                return out[1, :size].tobytes()
            room *= 2


def _ends(texts: Sequence[bytes]) -> NDArray[np.int64]:
    return np.cumsum([len(text) for text in texts], dtype=np.int64)
