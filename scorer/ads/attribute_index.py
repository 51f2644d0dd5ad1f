"""Attributes of ads and targeting: which ads have an attribute value.

Each name has a column of numbers of values. Slots are sorted by number once in a while, into a new
file; ads that changed since are listed and looked at one by one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from scorer.ads.ad_arrays import ATTRIBUTE_NAMES, LARGEST_UNSORTED, AdArrays
from scorer.ads.postings import Postings
from scorer.ads.string_table import TableFullError
from scorer.ads.value_uses import ValueUses
from scorer.memory import shared_arrays

#: Values whose numbers the feeder knows without looking.
_REMEMBERED = 1 << 18
_EMPTY: NDArray[np.int32] = np.empty(0, np.int32)


class AttributeIndex:
    """``put``, ``changed`` and ``sort`` are the feeder's; look-ups read what all processes share.

    ``arrays.unsorted`` has two lists; the number of the sorted file says which one is in use.
    """

    def __init__(
        self, arrays: AdArrays, folder: Path, clock: Callable[[], float] = monotonic
    ) -> None:
        self._arrays = arrays
        self._folder = folder
        self._uses = ValueUses(arrays.values, clock)
        #: What was put and is not counted yet: attributes before and after.
        self._replaced: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self._codes: dict[str, int] = {}
        self._names: set[str] = set()
        # What is changed while the lists are exchanged would be in the one that goes.
        self._lock = threading.Lock()
        self._sorted: tuple[int, list[Postings]] = (0, [])

    def coded(self, attributes: Sequence[Mapping[str, str]]) -> NDArray[np.int32]:
        """Attributes of n ads as numbers of values plus 1 [names, n], 0 for none; for ``put``.
        Raises TableFullError."""
        arrays, known = self._arrays, self._codes
        for name in {name for given in attributes for name in given} - self._names:
            arrays.names.add(name)
        codes = np.zeros((len(arrays.names), len(attributes)), np.int32)
        for column in range(len(codes)):
            name = arrays.names.text(column)
            values = [given.get(name) for given in attributes]
            codes[column] = [
                0 if value is None else known.get(value) or self._stored(value) for value in values
            ]
        return codes

    def put(self, slots: NDArray[np.int32], codes: NDArray[np.int32]) -> None:
        """The ads in ``slots`` [n] have these attributes and no others."""
        attributes = self._arrays.attributes[: len(codes)]
        self._replaced.append((attributes[:, slots], codes))
        attributes[:, slots] = codes

    def take_over(self, slots: int) -> None:
        """Another feeder has put attributes, into none but the first ``slots`` slots."""
        self._uses.recount(self._arrays.attributes[: len(self._arrays.names), :slots])

    def number(
        self, names: Sequence[str], values: Sequence[str]
    ) -> tuple[list[int], NDArray[np.int32]]:
        """Columns of names and numbers plus 1 of values, given to those that are new. Raises
        TableFullError."""
        self._add_names(dict.fromkeys(names, ""))
        columns = [self._arrays.names.add(name) for name in names]
        return columns, np.array([self._stored(value) for value in values], np.int32)

    def reserve(self, attributes: Mapping[str, str]) -> None:
        """Give names and values their numbers. Raises TableFullError."""
        if not attributes.keys() <= self._names:
            self._add_names(attributes)
        known = self._codes
        for value in attributes.values():
            if value not in known:
                self._stored(value)

    def release(self, attributes: Mapping[str, str]) -> None:
        """The ad that these were reserved for is not taken: what no ad has is free in a while."""
        numbers = [self._arrays.values.number(value) for value in attributes.values()]
        there = [number for number in numbers if number is not None]
        self._uses.note(np.array(there, np.int64))

    def _add_names(self, attributes: Mapping[str, str]) -> None:
        names = self._arrays.names
        new = [name for name in attributes if names.number(name) is None]
        # All or none: one ad must not use up what others need.
        if len(names) + len(new) > ATTRIBUTE_NAMES:
            raise TableFullError(f"no room for more than {ATTRIBUTE_NAMES} names of attributes")
        for name in new:
            names.add(name)
        self._names.update(attributes)

    def _stored(self, value: str) -> int:
        """The number of a value plus 1."""
        code = self._codes.get(value)
        if code is None:
            if len(self._codes) >= _REMEMBERED:
                self._codes.clear()
            code = self._codes[value] = 1 + self._arrays.values.add(value)
        return code

    def changed(self, slots: NDArray[np.int32]) -> None:
        """The attributes of these ads [n] may differ from those that were sorted."""
        with self._lock:
            used = self._arrays.unsorted_used
            side = int(used[0]) % 2
            begin, end = int(used[1 + side]), int(used[1 + side]) + len(slots)
            kept = slots[: max(0, LARGEST_UNSORTED - begin)]
            self._arrays.unsorted[side, begin : begin + len(kept)] = kept
            used[1 + side] = min(end, LARGEST_UNSORTED)
        for before, after in self._replaced:
            self._uses.changed(before, after)
        self._replaced.clear()
        for value in self._uses.give_back():
            self._codes.pop(value, None)

    @property
    def unsorted(self) -> int:
        """How many changes are not sorted yet."""
        used = self._arrays.unsorted_used
        return int(used[1 + int(used[0]) % 2])

    def sort(self) -> None:
        """Sort the slots in use, while others go on changing some of them."""
        arrays, used = self._arrays, self._arrays.unsorted_used
        number = int(used[0])
        side, before = number % 2, self.unsorted
        # Only now: slots of all changes that are not listed again must be among them.
        slots = arrays.slot_count
        layout: dict[str, shared_arrays.Entry] = {}
        for column in range(len(arrays.names)):
            codes = int(arrays.attributes[column, :slots].max(initial=0)) + 1
            layout |= shared_arrays.prefixed(str(column), Postings.layout(slots, codes))
        path = self._path(number + 1)
        built = shared_arrays.create(path, layout)
        for column in range(len(arrays.names)):
            postings = Postings(shared_arrays.part(str(column), built))
            postings.fill(arrays.attributes[column, :slots])
        with self._lock:
            later = arrays.unsorted[side, before : int(used[1 + side])]
            arrays.unsorted[1 - side, : len(later)] = later
            used[2 - side] = len(later)
            used[0] = number + 1
        self._path(number).unlink(missing_ok=True)

    def of(self, slot: int) -> dict[str, str]:
        """The attributes of the ad in ``slot``."""
        return self.texts(self._arrays.attributes[: len(self._arrays.names), slot])

    def texts(self, codes: NDArray[np.int32]) -> dict[str, str]:
        """The attributes that a row [names] of ``attributes`` stands for."""
        arrays = self._arrays
        return {
            arrays.names.text(column): arrays.values.text(code - 1)
            for column, code in enumerate(codes.tolist())
            if code
        }

    def matches(self, slots: NDArray[np.int32], required: Mapping[str, str]) -> NDArray[np.bool_]:
        """Which of the ads in ``slots`` [n] have all of the values."""
        matching = np.ones(len(slots), np.bool_)
        for item in required.items():
            column, code = self._code(item)
            if code == 0:
                return np.zeros(len(slots), np.bool_)
            matching &= self._arrays.attributes[column].take(slots) == code
        return matching

    def matching_codes(
        self, codes: NDArray[np.int32], required: Mapping[str, str]
    ) -> NDArray[np.bool_]:
        """The same of n ads whose numbers of values plus 1 [names, n] were read before."""
        matching = np.ones(codes.shape[1], np.bool_)
        for item in required.items():
            column, code = self._code(item)
            if code == 0 or column >= len(codes):
                return np.zeros(len(matching), np.bool_)
            matching &= codes[column] == code
        return matching

    def matching(self, required: Mapping[str, str]) -> NDArray[np.int32]:
        """Slots [n] of the ads that have all of the values, ascending; ``required`` not empty."""
        codes = [self._code(item) for item in required.items()]
        if any(code == 0 for _, code in codes):
            return _EMPTY
        sorted_columns, unsorted = self._look()
        column, code = min(
            codes,
            key=lambda item: (
                sorted_columns[item[0]].count(item[1]) if item[0] < len(sorted_columns) else 0
            ),
        )
        listed = sorted_columns[column].of(code) if column < len(sorted_columns) else _EMPTY
        slots = np.union1d(listed, unsorted) if len(unsorted) else listed
        found: NDArray[np.int32] = slots[self.matches(slots, required)]
        return found

    def _code(self, item: tuple[str, str]) -> tuple[int, int]:
        """Column of a name and number of a value plus 1; 0 if no ad ever had it."""
        column = self._arrays.names.number(item[0])
        value = self._arrays.values.number(item[1])
        return (0, 0) if column is None or value is None else (column, value + 1)

    def _look(self) -> tuple[list[Postings], NDArray[np.int32]]:
        """The newest sorted columns, and what changed since."""
        arrays = self._arrays
        number = int(arrays.unsorted_used[0])
        while number != self._sorted[0]:
            try:
                found = shared_arrays.attach(self._path(number))
            except FileNotFoundError:  # sorted again meanwhile
                number = int(arrays.unsorted_used[0])
                continue
            columns = sorted({int(name.partition(".")[0]) for name in found})
            postings = [Postings(shared_arrays.part(str(column), found)) for column in columns]
            self._sorted = (number, postings)
        side = number % 2
        return self._sorted[1], arrays.unsorted[side, : int(arrays.unsorted_used[1 + side])]

    def _path(self, number: int) -> Path:
        return self._folder / f"attributes-{number}"
