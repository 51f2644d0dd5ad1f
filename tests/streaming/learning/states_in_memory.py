"""The states of a learner without Flink."""

from dataclasses import dataclass, field

from online_model.learning.row_store import RowStore
from streaming.learning.model_state import ModelState, States
from tests.online_model.rows_in_memory import PiecesInMemory, rows_in_memory


@dataclass
class Held:
    """A value state and a list state in one."""

    held: bytes | None = None
    elements: list[bytes] = field(default_factory=list)

    def value(self) -> bytes | None:
        return self.held

    def update(self, value: bytes, /) -> None:
        self.held = value

    def get(self) -> list[bytes]:
        return self.elements

    def clear(self) -> None:
        self.elements.clear()


@dataclass
class Kept:
    """What Flink keeps."""

    snapshot: Held = field(default_factory=Held)
    rows: RowStore = field(default_factory=rows_in_memory)
    log: PiecesInMemory = field(default_factory=PiecesInMemory)
    batches: Held = field(default_factory=Held)

    def state(self) -> ModelState:
        return ModelState(States(self.snapshot, self.rows, self.log, self.batches))
