"""A moment that a learner can go back to."""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.learning.learner_state import UNREADABLE, StateError
from online_model.learning.recalibration import BaseRateShift
from online_model.learning.row_journal import RowJournal
from online_model.training.delayed_feedback import LateShare


@dataclass(frozen=True, slots=True)
class LearnerMark:
    """Rows as they were then, by the journal, and what is not in rows."""

    journal: RowJournal
    late_share: LateShare
    base_rate: BaseRateShift
    samples_seen: int

    def to_bytes(self) -> bytes:
        """All of it."""
        share, rate = self.late_share, self.base_rate.state()
        head = json.dumps([self.samples_seen, share.early, share.late, rate])
        arrays: dict[str, NDArray[Any]] = {"head": np.frombuffer(head.encode(), np.uint8)}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays, **self.journal.to_arrays())
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, journal: RowJournal) -> "LearnerMark":
        """The reverse of :meth:`to_bytes`, with a journal of the same arrays. Raises StateError."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                kept = {name: stored[name] for name in stored.files}
            seen, early, late, rate = json.loads(kept.pop("head").tobytes())
            journal.restore(kept)
            share = LateShare(float(early), float(late))
            return cls(journal, share, BaseRateShift.from_state(rate), int(seen))
        except UNREADABLE as error:
            raise StateError(f"mark of a learner cannot be read: {error!r}") from None
