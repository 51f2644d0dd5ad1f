"""The ads in memory: slots, encoded parts, prices, targeting. One writer, many readers.

The feeder stages changes (slow, see scorer.ads.staging) and commits them row by row; what a request
reads of an ad belongs together, see AdArrays. Workers read the same arrays in other processes.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from scorer.ads.ad_arrays import ACTIVE, LOADED, REUSE_SECONDS, REVISION, SLOTS, AdArrays
from scorer.ads.ad_counters import AdCounters
from scorer.ads.attribute_index import AttributeIndex
from scorer.ads.keyed_popularity import KeyedPopularity
from scorer.ads.newest_ads import NewestAds
from scorer.ads.row_owners import RowOwners

#: Ads that are written at a time.
SLICE = 256


@dataclass(frozen=True, slots=True)
class AdEntry:
    """What is said of an ad."""

    ad_id: str
    version: int
    active: bool
    price: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Update:
    """Parts [n] for ``slots`` [n], and the entries that are new among them."""

    slots: NDArray[np.int32]
    parts: NDArray[np.void]
    entries: Mapping[int, AdEntry] = field(default_factory=dict)

    def slices(self, size: int = SLICE) -> Iterator["Update"]:
        """The update in pieces of at most ``size`` ads."""
        if len(self.slots) <= size:
            yield self
            return
        for start in range(0, len(self.slots), size):
            slots = self.slots[start : start + size]
            entries = {s: self.entries[s] for s in slots.tolist() if s in self.entries}
            yield Update(slots, self.parts[start : start + size], entries)


class Catalogue:
    """Ads by slot. What changes it is for the feeder only, in one thread."""

    def __init__(
        self,
        encoder: Encoder,
        arrays: AdArrays,
        folder: Path,
        shared_row_ads: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.encoder = encoder
        self.arrays = arrays
        self.counters = AdCounters(encoder, arrays)
        self.attributes = AttributeIndex(arrays, folder, clock)
        self.popularity = KeyedPopularity(encoder.spec, arrays)
        self.newest = NewestAds(arrays)
        layout = encoder.layout
        firsts = np.array([layout.offsets[f.name] for f in layout.ad_categoricals], np.int32)
        ends = [layout.offsets[f.name] + f.buckets for f in layout.ad_categoricals]
        self.row_owners = RowOwners(arrays, firsts, max(ends, default=0), shared_row_ads)
        self._state = arrays.state
        self._free: deque[tuple[float, int]] = deque()
        self._clock = clock
        self._sorting = threading.Lock()

    @property
    def revision(self) -> int:
        """How many commits there were."""
        return int(self._state[REVISION])

    @property
    def active_ads(self) -> int:
        """How many ads may be answered."""
        return int(self._state[ACTIVE])

    @property
    def slot_count(self) -> int:
        """How many slots were ever used."""
        return self.arrays.slot_count

    @property
    def loaded(self) -> bool:
        """Whether all ads of Redis are here."""
        return bool(self._state[LOADED])

    def set_loaded(self) -> None:
        """All ads of Redis are here; the first time, nobody reads them yet."""
        if not self.loaded:
            self.arrays.use_huge_pages()
        self._state[LOADED] = 1

    def slot(self, ad_id: str) -> int | None:
        """The slot of a known ad, active or paused."""
        slot = self.arrays.ids.number(ad_id)
        return None if slot is None or self.arrays.versions[slot] == 0 else slot

    def entry(self, slot: int) -> AdEntry | None:
        """What is said of the ad in a slot, None if it was deleted."""
        arrays = self.arrays
        if not arrays.versions[slot]:
            return None
        return AdEntry(
            ad_id=arrays.ids.text(slot),
            version=int(arrays.versions[slot]) - 1,
            active=bool(arrays.active[slot]),
            price=int(arrays.prices[slot]),
            attributes=self.attributes.of(slot),
        )

    def slots_in_use(self) -> NDArray[np.int32]:
        """Slots of all known ads."""
        return np.flatnonzero(self.arrays.versions[: self.slot_count] != 0).astype(np.int32)

    def active_slots(self) -> NDArray[np.int32]:
        """Slots of all ads that may be answered."""
        # Of a copy: numpy gives up on an array that another process changes meanwhile.
        return np.flatnonzero(self.arrays.active[: self.slot_count].copy()).astype(np.int32)

    def changed_after(self, revision: int) -> NDArray[np.int32]:
        """Slots whose ad changed after ``revision``."""
        revisions = self.arrays.revisions[: self.slot_count]
        return np.flatnonzero(revisions > revision).astype(np.int32)

    def allocate(self, ad_id: str) -> int:
        """A slot for a new ad; it is not seen before its commit. Raises TableFullError."""
        reused = None
        if self._free and self._free[0][0] + REUSE_SECONDS <= self._clock():
            reused = self._free[0][1]
        slot = self.arrays.ids.add(ad_id, reused)
        if slot == reused:
            self._free.popleft()
        return slot

    def commit(self, update: Update) -> None:
        """Make an update of at most a few hundred ads visible."""
        arrays, slots = self.arrays, update.slots
        self._state[REVISION] += 1
        new = np.fromiter(update.entries, np.int32, len(update.entries))
        entries = list(update.entries.values())
        codes = self.attributes.coded([entry.attributes for entry in entries])
        came = new[arrays.versions[new] == 0]
        versions = np.array([entry.version for entry in entries], np.int64)
        active = np.array([entry.active for entry in entries], np.bool_)
        prices = np.array([entry.price for entry in entries], np.int64)
        # Who reads one of these rows waits for the end: what takes time is done before and after.
        arrays.begin(slots)
        self._put(new, versions, active, prices, codes)
        self._end(slots, update.parts)
        self.counters.own(new, [(entry.ad_id, entry.attributes) for entry in entries])
        self._changed(new)
        if self.loaded:  # which of the first ones came last is not known
            self.newest.add(came)

    def commit_new(
        self,
        slots: NDArray[np.int32],
        parts: NDArray[np.void],
        versions: NDArray[np.int64],
        active: NDArray[np.bool_],
        prices: NDArray[np.int64],
        attributes: NDArray[np.int32],
    ) -> None:
        """Ads [n] whose slots were not used before; ``attributes`` [names, n]."""
        self._state[REVISION] += 1
        self.arrays.begin(slots)
        self._put(slots, versions, active, prices, attributes)
        self._end(slots, parts)
        self._changed(slots)

    def _put(
        self,
        slots: NDArray[np.int32],
        versions: NDArray[np.int64],
        active: NDArray[np.bool_],
        prices: NDArray[np.int64],
        attributes: NDArray[np.int32],
    ) -> None:
        """What is said of the ads in ``slots`` [n]; within ``begin`` and ``end``."""
        arrays = self.arrays
        self._state[ACTIVE] += int(active.sum()) - int(arrays.active[slots].sum())
        arrays.versions[slots] = versions + 1
        arrays.active[slots] = active
        arrays.prices[slots] = prices
        self.attributes.put(slots, attributes)

    def _end(self, slots: NDArray[np.int32], parts: NDArray[np.void]) -> None:
        """The rows of ``slots`` [n] are written, once they have their parts."""
        arrays = self.arrays
        arrays.parts[slots] = parts
        arrays.revisions[slots] = self.revision
        arrays.end(slots)

    def _changed(self, slots: NDArray[np.int32]) -> None:
        """What was said of these ads [n] may be another: look-ups hear of it."""
        self._state[SLOTS] = max(self.slot_count, 1 + int(slots.max(initial=-1)))
        self.row_owners.changed(slots)
        self.attributes.changed(slots)

    def remove(self, ad_ids: Iterable[str]) -> NDArray[np.int32]:
        """Deleted ads are seen no more; their slots [n], which are used again later."""
        arrays = self.arrays
        found = [slot for ad_id in ad_ids if (slot := self.slot(ad_id)) is not None]
        slots = np.array(found, np.int32)
        self._state[REVISION] += 1
        self._state[ACTIVE] -= int(arrays.active[slots].sum())
        arrays.begin(slots)
        arrays.active[slots] = False
        arrays.versions[slots] = 0
        arrays.revisions[slots] = self.revision
        arrays.end(slots)
        self.attributes.put(slots, self.attributes.coded([{}] * len(slots)))
        for slot in found:
            arrays.ids.remove(arrays.ids.text(slot))
            self.counters.disown(slot)
            self._free.append((self._clock(), slot))
        return slots

    def take_over(self) -> None:
        """End what a feeder that was killed had begun, and know the slots that are free."""
        arrays = self.arrays
        odd = np.flatnonzero(arrays.sequences & 1).astype(np.int32)
        deleted = odd[arrays.versions[odd] == 0]
        arrays.active[deleted] = False
        arrays.end(deleted)
        self._state[ACTIVE] = int(arrays.active.sum())
        for slot in np.flatnonzero(arrays.versions[: self.slot_count] == 0).tolist():
            ad_id = arrays.ids.text(slot)
            if arrays.ids.number(ad_id) == slot:
                arrays.ids.remove(ad_id)
            self.counters.disown(slot)
            self._free.append((self._clock(), slot))
        # Not only slots in use: what was cut off may have written others.
        self.attributes.take_over(len(arrays.ids))

    def reserve(self, ad_id: str, attributes: Mapping[str, str]) -> None:
        """Room for what is said of an ad, before any of it is written. Raises TableFullError."""
        self.attributes.reserve(attributes)
        self.counters.reserve(ad_id, attributes)

    def sort(self) -> None:
        """Look-ups by attribute, row and counter become fast for the ads as they are now.

        Besides the feeder, the thread that keeps the index asks for it: one at a time.
        """
        with self._sorting:
            self.attributes.sort()
            self.row_owners.sort()
