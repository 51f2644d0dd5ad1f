"""Strings and their numbers, 0, 1, 2 …, in arrays that other processes may map.

Open addressing with linear probing (Knuth, TAOCP vol. 3, 6.4). One writer; a reader sees a string
or does not see it yet, as its cell is written last.
"""

from collections.abc import Mapping
from typing import Any

import xxhash
from numpy.typing import NDArray

from scorer.kernels import Texts
from scorer.shared_arrays import Layout

_REMOVED = -1
#: Room for text, a string; longer ones are made up for by shorter ones.
_MEAN_BYTES = 64


class TableFullError(RuntimeError):
    """There is no room for another string."""


class StringTable:
    """At most ``capacity`` strings. A number that was removed may be given to another string."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.texts = Texts(arrays["offsets"], arrays["lengths"], arrays["heap"])
        # A view's number costs half of an array's.
        views: dict[str, Any] = {name: array.data for name, array in arrays.items()}
        self._cells, self._heap = views["cells"], views["heap"]
        self._offsets, self._lengths = views["offsets"], views["lengths"]
        self._used = views["used"]
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
            "used": ("<i8", (2,)),
        }

    def __len__(self) -> int:
        """How many numbers were ever given."""
        count: int = self._used[0]
        return count

    def number(self, text: str) -> int | None:
        """The number of a string that is there."""
        data = text.encode()
        cell = self._find(data)[0]
        return None if cell is None else self._cells[cell] - 1

    def text(self, number: int) -> str:
        """The string of a number."""
        return self._bytes(number).decode()

    def add(self, text: str, number: int | None = None) -> int:
        """The number of a string, which is given the next one, or ``number``, if it is new.

        Raises TableFullError.
        """
        data = text.encode()
        found, free = self._find(data)
        if found is not None:
            known: int = self._cells[found] - 1
            return known
        count, heap_used = self._used[0], self._used[1]
        if number is None:
            number = count
        if number >= len(self._lengths) or heap_used + len(data) > len(self._heap):
            raise TableFullError(f"no room for more than {count} strings")
        if number < count and len(data) <= self._lengths[number]:
            offset = self._offsets[number]
        else:
            offset, self._used[1] = heap_used, heap_used + len(data)
        self._heap[offset : offset + len(data)] = data
        self._offsets[number] = offset
        self._lengths[number] = len(data)
        self._used[0] = max(count, number + 1)
        self._cells[free] = number + 1
        return number

    def remove(self, text: str) -> None:
        """Forget a string; its number keeps its text until it is given to another one."""
        cell = self._find(text.encode())[0]
        if cell is not None:
            self._cells[cell] = _REMOVED

    def _find(self, data: bytes) -> tuple[int | None, int]:
        """The cell of a string, and the one to put it in."""
        cells, mask = self._cells, self._mask
        cell = xxhash.xxh3_64_intdigest(data) & mask
        free = None
        while (content := cells[cell]) != 0:
            if content == _REMOVED:
                free = cell if free is None else free
            elif self._bytes(content - 1) == data:
                return cell, cell
            cell = (cell + 1) & mask
        return None, cell if free is None else free

    def _bytes(self, number: int) -> bytes:
        offset = self._offsets[number]
        return bytes(self._heap[offset : offset + self._lengths[number]])
