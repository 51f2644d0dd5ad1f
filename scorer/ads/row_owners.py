"""Which ads own a row of the embedding table: what a changed row makes stale."""

import threading

import numpy as np
from numpy.typing import NDArray

from scorer.ads.ad_arrays import AdArrays
from scorer.ads.postings import Postings

Slots = NDArray[np.int32]


class RowOwners:
    """For the feeder's process. An ad that had a row and lost it may be told, too: no harm."""

    def __init__(self, arrays: AdArrays, first_rows: NDArray[np.int32], rows: int,
                 shared_row_ads: int) -> None:  # fmt: skip
        """``first_rows`` [fields] are where the ad fields' rows begin in the table of ``rows``."""
        self._arrays = arrays
        self._bounds = np.append(first_rows, rows)
        self._shared_row_ads = shared_row_ads
        self._fields: list[Postings] = []
        #: Not sorted yet: what is being sorted now, and what came since.
        self._taken: list[Slots] = []
        self._recent: list[Slots] = []
        self._lock = threading.Lock()

    def changed(self, slots: Slots) -> None:
        """The ads in ``slots`` [n] may have other rows than those that were sorted."""
        if not len(slots):  # counters alone: nothing would ever empty the list
            return
        with self._lock:
            self._recent.append(slots)

    def sort(self) -> None:
        """Sort the slots in use by row, while others go on changing some of them."""
        with self._lock:
            self._taken, self._recent = self._taken + self._recent, []
        # Only now: all slots that are taken must be among them.
        slots = self._arrays.slot_count
        fields = []
        for field, (begin, end) in enumerate(zip(self._bounds, self._bounds[1:], strict=False)):
            rows = self._arrays.parts["ad_ids"][:slots, field]
            # A slot that was never used has row 0, which may lie before its field.
            fields.append(Postings.built(np.clip(rows - begin, 0, end - begin - 1), end - begin))
        with self._lock:
            self._fields, self._taken = fields, []

    def of(self, rows: NDArray[np.int32]) -> tuple[Slots, Slots]:
        """Slots of rows: those to refresh at once, and those of rows that very many ads share."""
        few, many = [self._recent_of(rows)], []
        for field, postings in enumerate(self._fields):
            begin, end = self._bounds[field], self._bounds[field + 1]
            own = rows[(rows >= begin) & (rows < end)] - begin
            own_few, own_many = postings.of_many(own.astype(np.int32), self._shared_row_ads)
            few.append(own_few)
            many.append(own_many)
        at_once = np.unique(np.concatenate(few))
        later = np.unique(np.concatenate((np.empty(0, np.int32), *many)))
        return at_once, np.setdiff1d(later, at_once, assume_unique=True)

    def _recent_of(self, rows: NDArray[np.int32]) -> Slots:
        with self._lock:
            if len(self._recent) > 1:
                self._recent = [np.unique(np.concatenate(self._recent))]
            lists = (np.empty(0, np.int32), *self._taken, *self._recent)
        recent = np.unique(np.concatenate(lists))
        # No take(): of a field of parts it would first copy all slots, used or not.
        owned = np.isin(self._arrays.parts["ad_ids"][recent], rows)
        found: Slots = recent[owned.any(axis=1)]
        return found
