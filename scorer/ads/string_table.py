"""Strings and their numbers, 0, 1, 2 …, in arrays that other processes may map.

Open addressing with linear probing (Knuth, TAOCP vol. 3, 6.4). One writer; a reader sees a string
or does not see it yet, as its cell is written last. However many strings come and go, no more room
is used than for those that are there at a time.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import xxhash
from numpy.typing import NDArray

from scorer.kernels import Texts
from scorer.memory.shared_arrays import Layout

#: Of ``used``: numbers that were ever given, bytes of text, strings that were moved.
_NUMBERS, _BYTES, _MOVES = range(3)
#: Room for text, a string; longer ones are made up for by shorter ones.
_MEAN_BYTES = 64
#: A text takes a multiple of it, so that another one finds room where one has left.
_PIECE_BYTES = 8


class TableFullError(RuntimeError):
    """There is no room for another string."""


class StringTable:
    """At most ``capacity`` strings. A number that was removed may be given to another string."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], holds: str = "strings") -> None:
        """``holds`` says in errors what the strings are."""
        self._holds = holds
        self.texts = Texts(arrays["offsets"], arrays["lengths"], arrays["heap"])
        # A view's number costs half of an array's.
        views: dict[str, Any] = {name: array.data for name, array in arrays.items()}
        self._cells, self._heap = views["cells"], views["heap"]
        self._offsets, self._lengths = views["offsets"], views["lengths"]
        self._used = views["used"]
        #: Where texts have left, by bytes. The writer's; one that dies leaves them unused.
        self._left: defaultdict[int, list[int]] = defaultdict(list)
        self._free: list[int] = []
        self._mask = len(self._cells) - 1

    @staticmethod
    def layout(capacity: int) -> Layout:
        """Arrays of a table."""
        cells = 1 << (2 * capacity - 1).bit_length()
        return {
            "cells": ("<i4", (cells,)),
            "offsets": ("<i8", (capacity,)),
            "lengths": ("<i4", (capacity,)),
            "heap": ("u1", (capacity * _MEAN_BYTES + 4_096,)),
            "used": ("<i8", (3,)),
        }

    def __len__(self) -> int:
        """How many numbers were ever given."""
        count: int = self._used[_NUMBERS]
        return count

    @property
    def capacity(self) -> int:
        """How many strings there is room for at a time."""
        return len(self._lengths)

    def number(self, text: str) -> int | None:
        """The number of a string that is there."""
        return self._find(text.encode())[0]

    def text(self, number: int) -> str:
        """The string of a number."""
        return self._bytes(number).decode()

    def add(self, text: str, number: int | None = None) -> int:
        """The number of a string, which is given the next free one, or ``number``, if it is new.

        Raises TableFullError.
        """
        data = text.encode()
        known, free = self._find(data)
        if known is not None:
            return known
        count = self._used[_NUMBERS]
        is_free = number is None and bool(self._free)
        if number is None:
            number = self._free[-1] if is_free else count
        if number >= len(self._lengths):
            raise TableFullError(f"no room for more than {count} {self._holds}")
        offset = self._room(len(data))
        if is_free:
            self._free.pop()
        if number < count:
            self._left[_room_bytes(self._lengths[number])].append(self._offsets[number])
        self._heap[offset : offset + len(data)] = data
        self._offsets[number] = offset
        self._lengths[number] = len(data)
        self._used[_NUMBERS] = max(count, number + 1)
        self._cells[free] = number + 1
        return number

    def _room(self, size: int) -> int:
        """Where a text of ``size`` bytes goes. Raises TableFullError."""
        left = self._left.get(room := _room_bytes(size))
        if left:
            return left.pop()
        offset: int = self._used[_BYTES]
        if offset + room > len(self._heap):
            raise TableFullError(f"no room for {size} bytes more of {self._holds}")
        self._used[_BYTES] = offset + room
        return offset

    def remove(self, text: str) -> None:
        """Forget a string; its number keeps its text until it is given to another one."""
        data = text.encode()
        # Twice if the writer was killed while it moved the string.
        while (found := self._find(data))[0] is not None:
            self._empty(found[1])

    def give_back(self, number: int) -> None:
        """Forget the string of a number, which ``add`` may give to another one at once."""
        text = self.text(number)
        if self.number(text) == number:
            self.remove(text)
        self._free.append(number)

    def _empty(self, hole: int) -> None:
        """What was put further away because of this cell moves up (Knuth's algorithm R): cells that
        are only marked as removed would fill the table in the end, and no search would stop."""
        cells, mask, cell = self._cells, self._mask, hole
        while (content := cells[cell := (cell + 1) & mask]) != 0:
            home = xxhash.xxh3_64_intdigest(self._bytes(content - 1)) & mask
            if (cell - home) & mask >= (cell - hole) & mask:
                cells[hole] = content
                self._used[_MOVES] += 1
                hole = cell
        cells[hole] = 0

    def _find(self, data: bytes) -> tuple[int | None, int]:
        """The number of a string, and its cell or the one to put it in."""
        cells, mask, used = self._cells, self._mask, self._used
        while True:
            moves = used[_MOVES]
            cell = xxhash.xxh3_64_intdigest(data) & mask
            while (content := cells[cell]) != 0:
                if self._bytes(content - 1) == data:
                    return content - 1, cell
                cell = (cell + 1) & mask
            # It may have moved to a cell that this search had left behind.
            if used[_MOVES] == moves:
                return None, cell

    def _bytes(self, number: int) -> bytes:
        offset = self._offsets[number]
        return bytes(self._heap[offset : offset + self._lengths[number]])


def _room_bytes(size: int) -> int:
    return -(-size // _PIECE_BYTES) * _PIECE_BYTES
