"""Counters of ads, as they come from Redis, and which ads each of them describes."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.features import Counter
from schemas.layout import width
from schemas.redis_values import CounterRow, split_version
from schemas.row_changes import RowChange
from schemas.windows import WINDOWS_MS

POPULARITY_WINDOW = list(WINDOWS_MS).index("1d")
_AD_KEY = ("ad.ad_id",)


class AdCounters:
    """Newest counter rows by key, for the counters that features or popularity need.

    Only the feeder's thread writes; a look-up from a request's thread sees old or new.
    """

    def __init__(self, encoder: Encoder) -> None:
        spec, layout = encoder.spec, encoder.layout
        self._encoder = encoder
        self._columns: dict[str, list[slice]] = {}
        start = 0
        for feature in layout.ad_numbers:
            if isinstance(feature, Counter):
                columns = slice(start, start + width(feature))
                self._columns.setdefault(feature.counter, []).append(columns)
            start += width(feature)
        self._popularity = next((n for n, parts in spec.counters.items() if parts == _AD_KEY), None)
        names = [*self._columns, *([self._popularity] if self._popularity else [])]
        self._names = tuple(dict.fromkeys(names))
        self._rows: dict[str, tuple[int, CounterRow]] = {}
        self._owners: dict[str, set[int]] = {}

    def keys(self, ad_id: str, attributes: Mapping[str, str]) -> dict[str, str]:
        """The keys that describe an ad, by counter name."""
        values = {"ad": {**attributes, "ad_id": ad_id}}
        return {name: self._encoder.spec.counter_key(name, values) for name in self._names}

    def rows(self, keys: Mapping[str, str]) -> dict[str, CounterRow]:
        """Newest rows by counter name, without those that are zero."""
        found = {name: self._rows.get(key) for name, key in keys.items()}
        return {name: entry[1] for name, entry in found.items() if entry is not None}

    def own(self, slot: int, keys: Iterable[str]) -> None:
        """The ad in ``slot`` is described by these keys."""
        for key in keys:
            self._owners.setdefault(key, set()).add(slot)

    def disown(self, slot: int, keys: Iterable[str]) -> None:
        """The ad in ``slot`` was described by these keys."""
        for key in keys:
            owners = self._owners[key]
            owners.discard(slot)
            if not owners:
                del self._owners[key]

    def apply(self, change: RowChange) -> bool:
        """Keep a change if it is newer or equal. Raises ValueError if it is damaged."""
        if change.key.partition(":")[0] not in self._names:
            return False
        version, body = split_version(change.value)
        known = self._rows.get(change.key)
        if known is not None and version < known[0]:
            return False
        if body:
            self._rows[change.key] = (version, CounterRow.unpack(body))
        else:
            self._rows.pop(change.key, None)
        return True

    def clear(self) -> None:
        """Forget every row; who owns which key stays."""
        self._rows.clear()

    def slots(self, key: str) -> set[int]:
        """Slots of the ads that the key describes."""
        return self._owners.get(key, set())

    def numbers(self, key: str) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Columns of ``ad_numbers`` and what the key's row puts there, whichever ad has it."""
        name = key.partition(":")[0]
        columns = self._columns.get(name, [])
        if columns:
            numbers = self._encoder.ad("", {}, self.rows({name: key}))["ad_numbers"][0]
            for column in columns:
                yield column, numbers[column]

    def popularity(self, key: str) -> tuple[int, int] | None:
        """Impressions and clicks of a day, if the key counts a single ad."""
        if key.partition(":")[0] != self._popularity:
            return None
        entry = self._rows.get(key)
        if entry is None:
            return 0, 0
        return entry[1].impressions[POPULARITY_WINDOW], entry[1].clicks[POPULARITY_WINDOW]
