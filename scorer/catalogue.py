"""The ads in memory: slots, encoded parts, prices, targeting. One writer, many readers.

The feeder's thread stages changes (slow, no lock, see scorer.staging) and commits them (short,
under the lock), so that what a request reads together belongs together.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from scorer.ad_arrays import AdArrays
from scorer.ad_counters import AdCounters
from scorer.attribute_index import AttributeIndex
from scorer.deepfm import Halves
from scorer.half_store import HalfStore
from scorer.row_owners import RowOwners

#: A deleted ad's slot waits this long, so that no request in flight mixes two ads.
SLOT_REUSE_SECONDS = 30.0
#: Ads that are written while the lock is held once.
SLICE = 256


@dataclass(frozen=True, slots=True)
class AdEntry:
    """What is said of an ad; ``keys`` are its counters' keys by counter name."""

    ad_id: str
    version: int
    active: bool
    price: int
    attributes: Mapping[str, str]
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Update:
    """Parts [n] for ``slots`` [n], and the entries that are new among them."""

    slots: NDArray[np.int32]
    parts: NDArray[np.void]
    entries: Mapping[int, AdEntry] = field(default_factory=dict)

    def slices(self) -> Iterator["Update"]:
        """The update in pieces of at most SLICE ads."""
        for start in range(0, len(self.slots), SLICE):
            slots = self.slots[start : start + SLICE]
            entries = {s: self.entries[s] for s in slots.tolist() if s in self.entries}
            yield Update(slots, self.parts[start : start + SLICE], entries)


class Catalogue:
    """Ads by slot. ``lock`` guards the arrays, the targeting index and the served halves.

    ``slot_count`` slots were ever used; ``revision`` counts commits; ``loaded`` is set once all
    ads of Redis are here.
    """

    def __init__(
        self, encoder: Encoder, shared_row_ads: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self.encoder = encoder
        self.lock = threading.Lock()
        self.loaded = threading.Event()
        self.arrays = AdArrays.empty(encoder.layout)
        self.counters = AdCounters(encoder)
        self.row_owners = RowOwners(shared_row_ads)
        self.entries: list[AdEntry | None] = []
        self.slot_count = 0
        self.revision = 0
        self.active_ads = 0
        self._attributes = AttributeIndex()
        self._slots: dict[str, int] = {}
        self._free: deque[tuple[float, int]] = deque()
        self._recent: dict[int, int] = {}
        self._clock = clock

    def slot(self, ad_id: str) -> int | None:
        """The slot of a known ad, active or paused."""
        return self._slots.get(ad_id)

    def ad_ids(self) -> list[str]:
        """All known ads; for the feeder's thread."""
        return list(self._slots)

    def slots_with(self, required: Mapping[str, str]) -> NDArray[np.int32]:
        """Slots of the ads that have all of the attributes."""
        with self.lock:
            return self._attributes.matching(required)

    def recent(self, revision: int) -> NDArray[np.int32]:
        """Slots of the ads that came or changed after ``revision``."""
        with self.lock:
            newer = [slot for slot, at in self._recent.items() if at > revision]
        return np.array(newer, np.int32)

    def forget_recent(self, revision: int) -> None:
        """An index built at ``revision`` is in use: older changes are in it."""
        with self.lock:
            self._recent = {slot: at for slot, at in self._recent.items() if at > revision}

    def changed_after(self, revision: int) -> NDArray[np.int32]:
        """Slots whose part changed after ``revision``; for the feeder's thread."""
        revisions = self.arrays.revisions[: self.slot_count]
        return np.flatnonzero(revisions > revision).astype(np.int32)

    def remember_recent(self, slots: NDArray[np.int32]) -> None:
        """An index that does not know the changes of these ads is about to be used."""
        with self.lock:
            for slot in slots.tolist():
                if self.entries[slot] is not None:
                    self._recent[slot] = int(self.arrays.revisions[slot])

    def allocate(self) -> int:
        """A slot for a new ad; it is not seen before its commit."""
        if self._free and self._free[0][0] + SLOT_REUSE_SECONDS <= self._clock():
            return self._free.popleft()[1]
        self.entries.append(None)
        return len(self.entries) - 1

    def commit(self, update: Update, store: HalfStore | None, halves: Halves | None) -> None:
        """Make an update visible, together with its halves [n] in ``store`` if a model is served.

        Give it at most SLICE ads: the lock is held meanwhile.
        """
        arrays = self.arrays
        with self.lock:
            self.revision += 1
            arrays.reserve(len(self.entries))
            for slot, entry in update.entries.items():
                self._put(slot, entry, arrays.parts[slot]["ad_ids"])
            arrays.parts[update.slots] = update.parts
            arrays.revisions[update.slots] = self.revision
            for slot in update.entries:
                self.row_owners.add(slot, arrays.parts[slot]["ad_ids"])
            self.slot_count = max(self.slot_count, 1 + max(update.entries, default=-1))
            if store is not None and halves is not None:
                store.write(update.slots, halves, arrays.prices[update.slots])

    def _put(self, slot: int, entry: AdEntry, old_rows: NDArray[np.int32]) -> None:
        self._withdraw(slot, old_rows)
        arrays = self.arrays
        self.entries[slot] = entry
        self._slots[entry.ad_id] = slot
        arrays.active[slot] = entry.active
        arrays.prices[slot] = entry.price
        self.active_ads += entry.active
        self._attributes.add(slot, entry.attributes)
        self.counters.own(slot, entry.keys.values())
        for key in entry.keys.values():
            self._put_popularity(slot, key)
        self._recent[slot] = self.revision

    def _withdraw(self, slot: int, rows: NDArray[np.int32]) -> None:
        old = self.entries[slot]
        if old is None:
            return
        self.active_ads -= old.active
        self.arrays.active[slot] = False
        self._attributes.remove(slot, old.attributes)
        self.counters.disown(slot, old.keys.values())
        self.row_owners.remove(slot, rows)

    def put_popularity(self, keys: Iterable[str]) -> None:
        """Take over the impressions and clicks of a day of the ads that these keys count."""
        with self.lock:
            for key in keys:
                for slot in self.counters.slots(key):
                    self._put_popularity(slot, key)

    def _put_popularity(self, slot: int, key: str) -> None:
        counted = self.counters.popularity(key)
        if counted is not None:
            self.arrays.impressions[slot], self.arrays.clicks[slot] = counted

    def remove(self, ad_ids: Iterable[str]) -> None:
        """Deleted ads are seen no more; their slots are used again later."""
        with self.lock:
            self.revision += 1
            for ad_id in ad_ids:
                slot = self._slots.pop(ad_id)
                self._withdraw(slot, self.arrays.parts[slot]["ad_ids"])
                self.entries[slot] = None
                self._recent.pop(slot, None)
                self._free.append((self._clock(), slot))
