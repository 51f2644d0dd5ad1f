"""Everything about ads that no model has a part in, by slot, in arrays that workers map."""

from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.layout import Layout
from schemas.windows import WINDOWS_MS
from scorer.ads.string_table import StringTable
from scorer.kernels import Columns, best_kernels
from scorer.memory import shared_arrays
from scorer.memory.page_mapping import use_huge_pages

#: Places in ``AdArrays.state``.
REVISION, ACTIVE, SLOTS, LOADED = range(4)
#: Different names of attributes that ads may have.
ATTRIBUTE_NAMES = 64
#: Counters, other than those of a single ad, that features may use.
SHARED_COUNTERS = 16
#: Values of attributes, and keys of counters, that there is room for even with few ads: these may
#: have many different values each, and what is counted need not be an ad of the catalogue.
LEAST_STRINGS = 1 << 16
POPULAR_ADS = 4_096
#: Groups of requests with popular ads of their own, and ads of each.
KEYED_GROUPS, KEYED_ADS = 4_096, 64
#: Changed ads that look-ups by attribute go through one by one, as they are not sorted yet.
LARGEST_UNSORTED = 1 << 20
#: So long, slots of deleted ads and numbers of values that no ad has wait for others, so that no
#: request in flight mixes two.
REUSE_SECONDS = 30.0
#: Of the ads that came last, see scorer.ads.newest_ads.
NEWEST_ADS = 1_024
#: Tables of strings, and what errors call their strings.
_TABLES = {
    "ids": "ads",
    "names": "names of attributes",
    "values": "values of attributes",
    "counters": "keys of counters",
    "groups": "groups of requests",
}
#: What is read of ads, besides their attributes.
_READ = ("sequences", "active", "parts", "prices")
#: A row takes microseconds to write, unless its writer loses the core meanwhile.
_TRIES, _SPINS, _PAUSE_SECONDS = 200, 3, 0.0001


@dataclass(frozen=True, slots=True)
class AdRows:
    """Ads of one request, each of one moment: [n] each; ``attributes`` [n, names]."""

    active: NDArray[np.bool_]
    parts: NDArray[np.void]
    prices: NDArray[np.int64]
    attributes: NDArray[np.int32]

    def take(self, places: NDArray[np.int64]) -> "AdRows":
        """The rows at these places."""
        return AdRows(
            self.active.take(places),
            self.parts.take(places),
            self.prices.take(places),
            self.attributes.take(places, axis=0),
        )


@dataclass(frozen=True, slots=True)
class AdArrays:
    """[capacity] each unless it says otherwise.

    ``parts`` are the encoded ad parts; ``versions`` those of Redis plus 1, 0 where there is no ad;
    ``revisions`` the catalogue's revision at the last change; ``impressions`` and ``clicks`` those
    of the last day. ``attributes`` [names, capacity] and ``counter_keys`` [counters, capacity]
    hold numbers of strings plus 1, 0 for none; ``counter_versions`` and ``counter_rows`` are by
    the number of a counter's key. ``state`` is revision, active ads, slots in use, loaded;
    ``stream`` is the id of the last entry of changes that was applied;
    ``unsorted`` [2, LARGEST_UNSORTED] are two lists of slots whose attributes changed since they
    were last sorted; ``unsorted_used`` is the number of the sorted file, which says by its last bit
    which list goes with it, and how much of each list is used; ``newest`` [NEWEST_ADS] is a ring of
    the slots of the ads that came last, ``newest_count`` [1] how many ever came into it;
    ``popular`` [1 + POPULAR_ADS] counts slots in ``popular[0]``, then lists them;
    ``columns`` are those that ``read`` reads, attributes last;
    ``popular_sequence`` is odd while that is written; ``keyed_…`` [groups, ..] are those of groups
    of requests, by the number of their key, with impressions and clicks of a day in ``keyed_rows``.

    A row is written between two steps of its number in ``sequences``, odd meanwhile, and read
    again if that changed (a seqlock: Hemminger, Linux 2.5.60; stores are seen in order on x86).
    """

    parts: NDArray[np.void]
    sequences: NDArray[np.uint32]
    active: NDArray[np.bool_]
    versions: NDArray[np.int64]
    prices: NDArray[np.int64]
    revisions: NDArray[np.int64]
    impressions: NDArray[np.float32]
    clicks: NDArray[np.float32]
    attributes: NDArray[np.int32]
    counter_keys: NDArray[np.int32]
    counter_versions: NDArray[np.int64]
    counter_rows: NDArray[np.int64]
    state: NDArray[np.int64]
    stream: NDArray[np.bytes_]
    unsorted: NDArray[np.int32]
    unsorted_used: NDArray[np.int64]
    newest: NDArray[np.int32]
    newest_count: NDArray[np.int64]
    popular_sequence: NDArray[np.uint64]
    popular: NDArray[np.int32]
    popular_ctrs: NDArray[np.float64]
    keyed_sequences: NDArray[np.uint32]
    keyed_counts: NDArray[np.int32]
    keyed_slots: NDArray[np.int32]
    keyed_rows: NDArray[np.float32]
    ids: StringTable
    names: StringTable
    values: StringTable
    counters: StringTable
    groups: StringTable
    columns: Columns

    @classmethod
    def create(cls, path: Path, layout: Layout, capacity: int) -> "AdArrays":
        """Room for ``capacity`` ads in a new file."""
        ads = (capacity,)
        keys = max(2 * capacity, LEAST_STRINGS)
        tables = {
            "ids": capacity,
            "names": ATTRIBUTE_NAMES,
            "values": max(capacity, LEAST_STRINGS),
            "counters": keys,
            "groups": KEYED_GROUPS,
        }
        arrays: dict[str, shared_arrays.Entry] = {
            "parts": (layout.ad_dtype, ads),
            "sequences": ("<u4", ads),
            "active": ("?", ads),
            "versions": ("<i8", ads),
            "prices": ("<i8", ads),
            "revisions": ("<i8", ads),
            "impressions": ("<f4", ads),
            "clicks": ("<f4", ads),
            "attributes": ("<i4", (ATTRIBUTE_NAMES, capacity)),
            "counter_keys": ("<i4", (SHARED_COUNTERS, capacity)),
            "counter_versions": ("<i8", (keys,)),
            "counter_rows": ("<i8", (keys, 2 * len(WINDOWS_MS))),
            "state": ("<i8", (4,)),
            "stream": ("S64", (1,)),
            "unsorted": ("<i4", (2, LARGEST_UNSORTED)),
            "unsorted_used": ("<i8", (3,)),
            "newest": ("<i4", (NEWEST_ADS,)),
            "newest_count": ("<i8", (1,)),
            "popular_sequence": ("<u8", (1,)),
            "popular": ("<i4", (1 + POPULAR_ADS,)),
            "popular_ctrs": ("<f8", (1 + POPULAR_ADS,)),
            "keyed_sequences": ("<u4", (KEYED_GROUPS,)),
            "keyed_counts": ("<i4", (KEYED_GROUPS,)),
            "keyed_slots": ("<i4", (KEYED_GROUPS, KEYED_ADS)),
            "keyed_rows": ("<f4", (KEYED_GROUPS, KEYED_ADS, 2)),
        }
        for name, size in tables.items():
            arrays |= shared_arrays.prefixed(name, StringTable.layout(size))
        shared_arrays.create(path, arrays)
        return cls.attach(path, writable=True)

    @classmethod
    def attach(cls, path: Path, writable: bool = False) -> "AdArrays":
        """The arrays of a file that was created."""
        arrays = shared_arrays.attach(path, writable)
        fields: dict[str, Any] = {n: array for n, array in arrays.items() if "." not in n}
        for name, holds in _TABLES.items():
            fields[name] = StringTable(shared_arrays.part(name, arrays), holds)
        columns = Columns([fields[name] for name in _READ], fields["attributes"])
        return cls(**fields, columns=columns)

    @property
    def capacity(self) -> int:
        """How many ads there is room for."""
        return len(self.active)

    @property
    def slot_count(self) -> int:
        """How many slots were ever used."""
        return int(self.state[SLOTS])

    def use_huge_pages(self) -> None:
        """For what a request reads of its ads."""
        for array in (*self.columns.arrays, *self.attributes[: len(self.names)]):
            use_huge_pages(array[: self.slot_count])

    def read(self, slots: NDArray[np.int32]) -> AdRows:
        """The ads in ``slots`` [n], each as it was at one moment."""
        names = len(self.names)
        for attempt in range(_TRIES):
            if attempt >= _SPINS:  # who writes may need this core
                sleep(_PAUSE_SECONDS)
            read = best_kernels().read_rows(self.columns, names, slots)
            if read is not None:
                (_, active, parts, prices), attributes = read
                return AdRows(active, parts, prices, attributes.T)
        # Who wrote them has died: as far as that came.
        _, active, parts, prices = (array.take(slots) for array in self.columns.arrays)
        return AdRows(active, parts, prices, self.attributes[:names, slots].T)

    def begin(self, slots: NDArray[np.int32]) -> None:
        """The rows of ``slots`` [n] are about to be written."""
        self.sequences[slots] |= 1

    def end(self, slots: NDArray[np.int32]) -> None:
        """They are written. After a crash in between, writing them again ends it."""
        self.sequences[slots] += 1
