"""Rows that are saved again and again: only what changed is written, and all of it comes back."""

import io
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from online_model.learning.row_store import RowStore
from online_model.learning.saved_rows import SavedRows
from tests.online_model.rows_in_memory import PiecesInMemory

ROWS, BLOCK_ROWS = 1_000, 16
BLOCKS = 63


class Pieces(PiecesInMemory):
    """Tells what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[int] = []

    def put(self, number: int, data: bytes, /) -> None:
        super().put(number, data)
        self.written.append(number)

    def since(self) -> list[int]:
        """Numbers, each once it was asked for."""
        written, self.written = self.written, []
        return written


class Saved:
    """Two columns of rows that change, and their store."""

    def __init__(self, seen: int = ROWS) -> None:
        self.random = np.random.default_rng(0)
        self.columns = _columns(0.0)
        self.columns["values"][:seen] = self.random.normal(size=(seen, 3))
        self.rows = SavedRows(ROWS, BLOCK_ROWS)
        self.blocks, self.changes = Pieces(), Pieces()
        self.store = RowStore(self.blocks, self.changes)

    def change(self, rows: NDArray[np.int64] | list[int]) -> None:
        ids = np.array(rows)
        for column in self.columns.values():
            column[ids] = self.random.normal(size=column[ids].shape)
        self.rows.changed(ids)

    def save(self) -> tuple[list[int], list[int]]:
        """Which blocks and which changes were written."""
        self.rows.save(self.columns, self.store)
        return self.blocks.since(), self.changes.since()

    def restored(self) -> tuple[SavedRows, dict[str, NDArray[np.float32]]]:
        rows = SavedRows.from_state(json.loads(json.dumps(self.rows.to_state())))
        columns = _columns(0.0)
        rows.load(columns, self.store)
        return rows, columns


def _columns(value: float) -> dict[str, NDArray[np.float32]]:
    return {
        "values": np.full((ROWS, 3), value, np.float32),
        "curvature": np.full(ROWS, value, np.float32),
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_rows_that_never_had_a_value_are_not_saved() -> None:
    saved = Saved(seen=20)
    assert saved.save() == ([0, 1], [])
    assert same(saved.restored()[1], saved.columns)
    assert len(saved.blocks[1]) < len(saved.blocks[0])


def test_a_few_rows_are_written_with_as_many_of_old_blocks() -> None:
    saved = Saved()
    assert saved.save() == (list(range(BLOCKS)), [])
    saved.change([100, 500, 501, 900])
    # Block 0 to 5 were not changed: they need not be written, block 6 has one of the four rows.
    assert saved.save() == ([6], [0])
    assert np.load(io.BytesIO(saved.changes[0]))["ids"].tolist() == [500, 501, 900]
    assert same(saved.restored()[1], saved.columns)


def test_nothing_is_written_when_nothing_changed() -> None:
    saved = Saved()
    saved.save()
    assert saved.save() == ([], [])


def test_only_blocks_that_changed_are_written_when_half_of_the_rows_did() -> None:
    saved = Saved()
    saved.save()
    saved.change(np.arange(ROWS // 2, ROWS))
    assert saved.save() == (list(range(500 // BLOCK_ROWS, BLOCKS)), [])


def test_changes_take_no_more_room_than_the_rows() -> None:
    saved = Saved()
    saved.save()
    whole = sum(map(len, saved.blocks.values()))
    for _ in range(60):
        saved.change(saved.random.choice(ROWS, 60, replace=False))
        blocks, _ = saved.save()
        assert len(blocks) in range(4, 6)
        assert sum(map(len, saved.changes.values())) < whole


@pytest.mark.parametrize("most", [3, 60, 900])
def test_it_comes_back_bit_by_bit_after_any_save(most: int) -> None:
    """Also in turns by one that was restored."""
    saved = Saved(seen=700)
    for number in range(80):
        count = int(saved.random.integers(0, most))
        saved.change(saved.random.choice(ROWS, count, replace=False))
        saved.save()
        rows, columns = saved.restored()
        assert same(columns, saved.columns)
        if number % 7 == 0:
            saved.rows, saved.columns = rows, columns


def test_a_store_of_before_is_emptied_first() -> None:
    saved = Saved(seen=20)
    saved.blocks.put(62, b"of another model")
    saved.changes.put(7, b"of another model")
    saved.save()
    assert (sorted(saved.blocks), sorted(saved.changes)) == ([0, 1], [])


def test_a_piece_that_is_missing_is_named() -> None:
    saved = Saved()
    saved.save()
    saved.blocks.remove(5)
    with pytest.raises(KeyError, match="block 5 is not in the store"):
        saved.restored()
