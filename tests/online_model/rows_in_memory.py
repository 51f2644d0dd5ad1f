"""What Flink keeps of a learner's rows, in dictionaries."""

from online_model.learning.row_store import RowStore


class PiecesInMemory(dict[int, bytes]):
    """A map state."""

    def put(self, number: int, data: bytes, /) -> None:
        self[number] = data

    def remove(self, number: int, /) -> None:
        del self[number]


def rows_in_memory() -> RowStore:
    """A store that is empty."""
    return RowStore(PiecesInMemory(), PiecesInMemory())
