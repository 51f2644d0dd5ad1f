"""Counters of ads, as they come from Redis, and which ads each of them describes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder, counter_numbers
from schemas.features import Counter
from schemas.layout import width
from schemas.redis_values import CounterRow, split_version
from schemas.row_changes import RowChange
from schemas.windows import WINDOWS_MS
from scorer.ads.ad_arrays import AdArrays

POPULARITY_WINDOW = list(WINDOWS_MS).index("1d")
#: Keys whose numbers the feeder knows without looking.
_REMEMBERED = 1 << 18
_AD_KEY = ("ad.ad_id",)
_NO_SLOTS: NDArray[np.int32] = np.empty(0, np.int32)


class AdCounters:
    """Newest counter rows by key, for the counters that features or popularity need.

    What it knows lies in the shared arrays; only the feeder writes.
    """

    def __init__(self, encoder: Encoder, arrays: AdArrays) -> None:
        """Raises ValueError if the features use too many counters."""
        spec, layout = encoder.spec, encoder.layout
        self._encoder = encoder
        self._arrays = arrays
        self._columns: dict[str, list[tuple[slice, Counter]]] = {}
        start = 0
        for feature in layout.ad_numbers:
            if isinstance(feature, Counter):
                columns = slice(start, start + width(feature))
                self._columns.setdefault(feature.counter, []).append((columns, feature))
            start += width(feature)
        self._popularity = next((n for n, parts in spec.counters.items() if parts == _AD_KEY), None)
        names = [*self._columns, *([self._popularity] if self._popularity else [])]
        self._names = tuple(dict.fromkeys(names))
        #: Counters of a single ad are found by its id; those that ads share by a column of keys.
        self._own = {name for name in self._names if spec.counters[name] == _AD_KEY}
        shared = [name for name in self._names if name not in self._own]
        self._key_columns = {name: column for column, name in enumerate(shared)}
        #: Attributes that are all of a key, by counter.
        self._key_attributes = {
            name: spec.counters[name][0].removeprefix("ad.")
            for name in self._names
            if len(spec.counters[name]) == 1
        }
        self._key_numbers: dict[str, int] = {}
        self._has_rows = bool(arrays.counter_versions[: len(arrays.counters)].any())
        if len(shared) > len(arrays.counter_keys):
            raise ValueError(f"features: at most {len(arrays.counter_keys)} counters of ads")

    def keys(self, ad_id: str, attributes: Mapping[str, str]) -> dict[str, str]:
        """The keys that describe an ad, by counter name."""
        return {name: self._key(name, ad_id, attributes) for name in self._names}

    def rows(self, keys: Mapping[str, str]) -> dict[str, CounterRow]:
        """Newest rows by counter name, without those that are zero."""
        if not self._has_rows:
            return {}
        found = {name: self._row(key) for name, key in keys.items()}
        return {name: row for name, row in found.items() if row is not None}

    def own(self, slots: NDArray[np.int32], ads: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        """The ads in ``slots`` [n], given by id and attributes, are described by their keys.

        Raises TableFullError.
        """
        arrays = self._arrays
        for name, column in self._key_columns.items():
            arrays.counter_keys[column, slots] = [
                self._stored(self._key(name, ad_id, attributes)) for ad_id, attributes in ads
            ]
        if self._popularity is not None:
            for slot, (ad_id, _) in zip(slots.tolist(), ads, strict=True):
                row = self._row(f"{self._popularity}:{ad_id}") if self._has_rows else None
                self._put_popularity(slot, row)

    def describe(
        self,
        slots: NDArray[np.int32],
        parts: NDArray[np.void],
        values: Callable[[str], Sequence[str]],
    ) -> None:
        """As ``own``, of new ads in columns: ``values`` gives the values [n] of an attribute, empty
        texts for none, and what was counted goes into ``parts`` [n]. Raises TableFullError."""
        arrays = self._arrays
        for name in self._names:
            attributes = [p.removeprefix("ad.") for p in self._encoder.spec.counters[name]]
            keys = [f"{name}:{'|'.join(t)}" for t in zip(*map(values, attributes), strict=True)]
            if name in self._key_columns:
                numbers = [self._stored(key) for key in keys]
                arrays.counter_keys[self._key_columns[name], slots] = numbers
            if not self._has_rows:
                continue
            for i, key in enumerate(keys):
                row = self._row(key)
                if row is None:
                    continue
                for columns, feature in self._columns.get(name, []):
                    parts["ad_numbers"][i, columns] = counter_numbers(feature, row)
                if name == self._popularity:
                    self._put_popularity(int(slots[i]), row)

    def reserve(self, ad_id: str, attributes: Mapping[str, str]) -> None:
        """Give the keys of an ad their numbers. Raises TableFullError."""
        for name in self._key_columns:
            self._stored(self._key(name, ad_id, attributes))

    def _key(self, name: str, ad_id: str, attributes: Mapping[str, str]) -> str:
        attribute = self._key_attributes.get(name)
        if attribute is None:
            return self._encoder.spec.counter_key(name, {"ad": {**attributes, "ad_id": ad_id}})
        # As above, but faster.
        return f"{name}:{ad_id if attribute == 'ad_id' else attributes.get(attribute, '')}"

    def _stored(self, key: str) -> int:
        """The number of a key plus 1."""
        number = self._key_numbers.get(key)
        if number is None:
            if len(self._key_numbers) >= _REMEMBERED:
                self._key_numbers.clear()
            number = self._key_numbers[key] = 1 + self._arrays.counters.add(key)
        return number

    def disown(self, slot: int) -> None:
        """There is no ad in ``slot``."""
        self._arrays.counter_keys[:, slot] = 0

    def apply(self, change: RowChange) -> bool:
        """Keep a change if it is newer or equal. Raises ValueError if it is damaged."""
        if change.key.partition(":")[0] not in self._names:
            return False
        arrays = self._arrays
        version, body = split_version(change.value)
        row = CounterRow.unpack(body) if body else None
        number = arrays.counters.number(change.key)
        if number is None:
            if row is None:
                return True
            number = arrays.counters.add(change.key)
        if version + 1 < arrays.counter_versions[number]:
            return False
        # As in Redis: a delete leaves no version behind.
        self._has_rows = True
        arrays.counter_versions[number] = 0 if row is None else version + 1
        arrays.counter_rows[number] = 0 if row is None else (*row.impressions, *row.clicks)
        if row is None and change.key.partition(":")[0] in self._own:
            # No ad refers to the number: it is free for the counter of another one.
            arrays.counters.give_back(number)
        return True

    def clear(self) -> None:
        """Forget every row; who owns which key stays."""
        count = len(self._arrays.counters)
        self._arrays.counter_versions[:count] = 0
        self._arrays.counter_rows[:count] = 0

    def slots(self, keys: Iterable[str]) -> Iterator[tuple[str, NDArray[np.int32]]]:
        """Slots of the ads that each of the keys describes."""
        shared: dict[str, list[str]] = {}
        for key in keys:
            name, _, ad_id = key.partition(":")
            if name in self._own:
                slot = self._arrays.ids.number(ad_id)
                yield key, _NO_SLOTS if slot is None else np.array([slot], np.int32)
            else:
                shared.setdefault(name, []).append(key)
        for name, names_keys in shared.items():
            yield from self._shared_slots(name, names_keys)

    def _shared_slots(self, name: str, keys: list[str]) -> Iterator[tuple[str, NDArray[np.int32]]]:
        """One pass over the column of a counter, for all of its keys."""
        arrays = self._arrays
        numbers = [arrays.counters.number(key) for key in keys]
        wanted = np.zeros(len(arrays.counters) + 1, np.bool_)
        wanted[[number + 1 for number in numbers if number is not None]] = True
        column = arrays.counter_keys[self._key_columns[name], : arrays.slot_count]
        owners = np.flatnonzero(wanted[column]).astype(np.int32)
        owned = column[owners]
        for key, number in zip(keys, numbers, strict=True):
            yield key, _NO_SLOTS if number is None else owners[owned == number + 1]

    def is_encoded(self, key: str) -> bool:
        """Whether features depend on the key's row."""
        return key.partition(":")[0] in self._columns

    def numbers(self, key: str) -> Iterator[tuple[slice, list[float]]]:
        """Columns of ``ad_numbers`` and what the key's row puts there, whichever ad has it."""
        row = self._row(key)
        for columns, feature in self._columns.get(key.partition(":")[0], []):
            yield columns, counter_numbers(feature, row)

    def put_popularity(self, keys: Iterable[str]) -> None:
        """Take over the impressions and clicks of a day of the ads that these keys count."""
        for key in keys:
            name, _, ad_id = key.partition(":")
            slot = self._arrays.ids.number(ad_id) if name == self._popularity else None
            if slot is not None:
                self._put_popularity(slot, self._row(key))

    def _put_popularity(self, slot: int, row: CounterRow | None) -> None:
        arrays = self._arrays
        arrays.impressions[slot] = 0 if row is None else row.impressions[POPULARITY_WINDOW]
        arrays.clicks[slot] = 0 if row is None else row.clicks[POPULARITY_WINDOW]

    def _row(self, key: str) -> CounterRow | None:
        arrays, known = self._arrays, self._key_numbers.get(key)
        number = arrays.counters.number(key) if known is None else known - 1
        if number is None or not arrays.counter_versions[number]:
            return None
        row = arrays.counter_rows[number].tolist()
        return CounterRow(tuple(row[: len(WINDOWS_MS)]), tuple(row[len(WINDOWS_MS) :]))
