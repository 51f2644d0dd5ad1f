"""A model with the account of what it has learnt; both are saved together or not at all."""

import json
import struct
from collections import Counter
from dataclasses import asdict

from schemas.layout import Layout
from streaming.learning.learner import Learner, Learners, LearnReport
from streaming.learning.progress import Progress
from streaming.learning.sample_batch import SampleBatch

FIRST_LABELS = ("POSITIVE", "NEGATIVE")
_HEAD = struct.Struct("<4sI")
_MAGIC = b"CTL1"


class SnapshotError(ValueError):
    """A snapshot that was not written by this code."""


class LearntModel:
    """``seen`` counts each sample once by kind, ``refused`` what was not learnt by reason; both
    over all bases. ``watermark_ms`` is the newest label's time."""

    def __init__(self, learner: Learner, layout: Layout) -> None:
        self.learner = learner
        self.seen: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.watermark_ms = 0
        self.progress = Progress()
        self._layout = layout

    def learn(self, batch: SampleBatch) -> LearnReport:
        """Learn a batch and account for it."""
        report = self.learner.learn(
            batch.samples(self._layout),
            batch.labels,
            batch.kinds(),
            batch.weights,
            batch.positions,
        )
        counts = batch.counts()
        self.seen.update(counts)
        self.refused.update(batch.refused())
        self.watermark_ms = max(self.watermark_ms, batch.watermark_ms)
        self.progress.add(
            first_labels=sum(counts.get(kind, 0) for kind in FIRST_LABELS),
            log_loss=report.log_loss,
            predicted=report.predicted_sum,
            observed=report.observed_sum,
        )
        return report

    def adopt(self, learner: Learner) -> None:
        """Go on from another base; what was seen stays counted."""
        self.learner = learner

    def dump(self) -> bytes:
        """Everything, to resume bit by bit."""
        account = {
            "seen": self.seen,
            "refused": self.refused,
            "watermark_ms": self.watermark_ms,
            "progress": asdict(self.progress),
        }
        head = json.dumps(account).encode()
        return _HEAD.pack(_MAGIC, len(head)) + head + self.learner.dump()

    @classmethod
    def load(cls, data: bytes, learners: Learners, layout: Layout) -> "LearntModel":
        """From :meth:`dump`. Raises SnapshotError on other bytes."""
        magic, head_bytes = _HEAD.unpack_from(data) if len(data) >= _HEAD.size else (b"", 0)
        if magic != _MAGIC:
            raise SnapshotError(f"snapshot: begins with {magic!r}, expected {_MAGIC!r}")
        head_end = _HEAD.size + head_bytes
        account = json.loads(data[_HEAD.size : head_end])
        model = cls(learners.load(data[head_end:]), layout)
        model.seen = Counter(account["seen"])
        model.refused = Counter(account["refused"])
        model.watermark_ms = account["watermark_ms"]
        model.progress = Progress(**account["progress"])
        return model
