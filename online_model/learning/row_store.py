"""Where rows that a learner has are kept: numbered pieces of bytes, as in Flink's keyed state."""

from dataclasses import dataclass
from typing import Protocol


class Pieces(Protocol):
    """A map state."""

    def get(self, number: int, /) -> bytes | None:
        """A piece, None where there is none."""

    def put(self, number: int, data: bytes, /) -> None:
        """Write a piece, in place of one that is there."""

    def remove(self, number: int, /) -> None:
        """Delete a piece."""

    def clear(self) -> None:
        """Delete all."""


@dataclass(slots=True)
class RowStore:
    """Blocks of neighbouring rows, and rows that changed after their blocks were written."""

    blocks: Pieces
    changes: Pieces
    written_bytes: int = 0

    def put_block(self, number: int, data: bytes) -> None:
        """Write a block."""
        self.blocks.put(number, data)
        self.written_bytes += len(data)

    def put_change(self, number: int, data: bytes) -> None:
        """Write rows that changed."""
        self.changes.put(number, data)
        self.written_bytes += len(data)
