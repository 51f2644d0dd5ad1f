"""A model with the account of what it has learnt; both are saved together or not at all."""

import json
import struct
from collections import Counter
from dataclasses import asdict

import numpy as np

from online_model.learning.row_store import RowStore
from schemas.layout import Layout
from streaming.learning.learner import Learner, Learners, LearnReport
from streaming.learning.progress import Progress
from streaming.learning.recent_batches import RecentBatches
from streaming.learning.sample_batch import SampleBatch

#: Why samples are not learnt that contradict the model, see online_model/learning/label_guard.py.
WITHHELD = "withheld"
_HEAD = struct.Struct("<4sI")
_MAGIC = b"CTL1"


class SnapshotError(ValueError):
    """A snapshot that was not written by this code."""


class LearntModel:
    """``seen`` counts each sample once by kind, ``refused`` what was not learnt by reason; both
    over all bases. ``watermark_ms`` is the newest label's time, ``withheld_since_ms`` that of the
    labels that contradict the model, 0 while they do not; ``drift_ms`` is when which quality last
    changed. ``saved_bytes`` is what the last save wrote, rows included."""

    def __init__(self, learner: Learner, layout: Layout) -> None:
        self.learner = learner
        self.seen: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.watermark_ms = 0
        self.withheld_since_ms = 0
        self.drift_ms: dict[str, int] = {}
        self.progress = Progress()
        self.saved_bytes = 0
        self._layout = layout
        self._recent = RecentBatches()

    def learn(self, batch: SampleBatch) -> LearnReport:
        """Learn a batch and account for it."""
        report = self._learn_mixed(batch)
        self._recent.add(batch)
        self.watermark_ms = max(self.watermark_ms, batch.watermark_ms)
        self.refused.update(batch.refused())
        if report.withheld:
            self.refused[WITHHELD] += len(batch.labels)
        else:
            self.seen.update(batch.counts())
            self.progress.add(report)
        self.withheld_since_ms = (
            self.withheld_since_ms or self.watermark_ms if self.learner.withholds else 0
        )
        return report

    def adopt(self, learner: Learner, watermark_ms: int) -> int:
        """Go on from another base, which covers labels up to a time; what was seen stays counted.
        The batches that came after it are learnt again, if all are kept: returns how many."""
        self.learner = learner
        missed = self._recent.after(watermark_ms)
        for batch in missed:
            self._learn_mixed(batch)
        return len(missed)

    def _learn_mixed(self, batch: SampleBatch) -> LearnReport:
        """Clicks come in bursts, whenever event time moves on: a base rate that is followed row by
        row would be that of the last burst. So rows are mixed, the same way each time."""
        mixed = np.random.default_rng(0).permutation(len(batch.labels))
        return self.learner.learn(
            batch.samples(self._layout)[mixed],
            batch.labels[mixed],
            np.asarray(batch.kinds())[mixed],
            batch.weights[mixed],
            batch.positions[mixed],
        )

    def save(self, store: RowStore) -> bytes:
        """Rows that changed since the last time to the store, always the same; returns the rest.

        Both are what it takes to resume bit by bit.
        """
        before = store.written_bytes
        state = self.learner.save(store)
        self.saved_bytes = len(state) + store.written_bytes - before
        account = {
            "seen": self.seen,
            "refused": self.refused,
            "watermark_ms": self.watermark_ms,
            "withheld_since_ms": self.withheld_since_ms,
            "drift_ms": self.drift_ms,
            "progress": asdict(self.progress),
            "saved_bytes": self.saved_bytes,
        }
        head = json.dumps(account).encode()
        return _HEAD.pack(_MAGIC, len(head)) + head + state

    @classmethod
    def load(
        cls, data: bytes, store: RowStore, learners: Learners, layout: Layout
    ) -> "LearntModel":
        """From :meth:`save` and its store. Raises SnapshotError on other bytes."""
        magic, head_bytes = _HEAD.unpack_from(data) if len(data) >= _HEAD.size else (b"", 0)
        if magic != _MAGIC:
            raise SnapshotError(f"snapshot: begins with {magic!r}, expected {_MAGIC!r}")
        head_end = _HEAD.size + head_bytes
        account = json.loads(data[_HEAD.size : head_end])
        model = cls(learners.load(data[head_end:], store), layout)
        model.seen = Counter(account["seen"])
        model.refused = Counter(account["refused"])
        model.watermark_ms = account["watermark_ms"]
        model.withheld_since_ms = account.get("withheld_since_ms", 0)
        model.drift_ms = account.get("drift_ms", {})
        model.progress = Progress(**account["progress"])
        # Older releases did not say; those before them had all rows in the snapshot.
        model.saved_bytes = account.get("saved_bytes", len(data))
        return model
