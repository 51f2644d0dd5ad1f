"""How a model is kept in keyed states: as it was last saved, and the batches it has learnt since.

To save writes the rows that changed and as many others, see online_model/learning/saved_rows.py:
tens of megabytes for a large table. So most batches are only noted, and learnt again after a
restore.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from online_model.learning.row_store import Pieces, RowStore
from schemas.layout import Layout
from streaming.learning.learner import Learners
from streaming.learning.learnt_model import LearntModel
from streaming.learning.sample_batch import SampleBatch
from streaming.learning.state_log import StateLog


class Value(Protocol):
    """A value state."""

    def value(self) -> bytes | None:
        """What it holds, None at first."""

    def update(self, value: bytes, /) -> None:
        """Hold another value."""


class Elements(Protocol):
    """A list state."""

    def get(self) -> Iterable[bytes] | None:
        """What it holds."""

    def clear(self) -> None:
        """Hold nothing."""


@dataclass(frozen=True, slots=True)
class States:
    """``snapshot`` has what is not in ``rows``; ``batches`` is where older releases have the
    log, which a list state writes anew again and again."""

    snapshot: Value
    rows: RowStore
    log: Pieces
    batches: Elements


class ModelState:
    """Of one model. What is written since the last checkpoint is lost with it, all together."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._log = StateLog(0)
        self._next = 0

    @property
    def is_empty(self) -> bool:
        """Whether no model was saved yet."""
        return self._states.snapshot.value() is None

    def load(self, learners: Learners, layout: Layout) -> LearntModel:
        """The model as it was after the last batch. Raises SnapshotError."""
        snapshot = self._states.snapshot.value() or b""
        model = LearntModel.load(snapshot, self._states.rows, learners, layout)
        self._log = StateLog(model.saved_bytes)
        for data in self._states.batches.get() or ():
            self._learn_again(model, data)
        while (noted := self._states.log.get(self._next)) is not None:
            self._learn_again(model, noted)
            self._next += 1
        return model

    def note(self, batch: SampleBatch) -> bool:
        """That the model is going to learn a batch; False if it is to be saved instead, because
        what is noted has become long."""
        data = batch.to_bytes()
        if not self._log.has_room(len(data)):
            return False
        self._states.log.put(self._next, data)
        self._next += 1
        self._log.add(len(data))
        return True

    def save(self, model: LearntModel) -> None:
        """The model as it is; nothing is to be learnt again."""
        self._states.snapshot.update(model.save(self._states.rows))
        self._states.batches.clear()
        self._states.log.clear()
        self._log = StateLog(model.saved_bytes)
        self._next = 0

    @property
    def noted_batches(self) -> int:
        """How many a restore learns again."""
        return self._log.batches

    def _learn_again(self, model: LearntModel, data: bytes) -> None:
        model.learn(SampleBatch.from_bytes(data))
        self._log.add(len(data))
