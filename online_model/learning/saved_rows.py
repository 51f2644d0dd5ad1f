"""Which rows are saved where, so that to save them again writes little more than what changed.

Rows are found by hashes: a second of traffic changes a few rows of nearly every block. So rows that
changed are written by themselves, and with them, in turns, as many rows of whole blocks that were
written longest ago. Once all blocks have had their turn what changed before is outdated: rows that
changed take no more room than the blocks. Where half of the rows have changed it is the
blocks that are written; one of which no row has changed since is never written again.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.learning.row_store import RowStore

BLOCK_ROWS = 8192

Columns = Mapping[str, NDArray[Any]]
Ids = NDArray[np.int64]


class SavedRows:
    """Of ``rows`` rows of some columns [rows, …] in one :class:`RowStore`, always the same.

    A row that never had a value is zero in all columns and not saved.
    """

    def __init__(self, rows: int, block_rows: int = BLOCK_ROWS) -> None:
        blocks = -(-rows // block_rows)
        self._block_rows = block_rows
        self._is_changed = np.zeros(rows, np.bool_)
        self._saves = 0
        #: Of each block: by which save it was written or known to be as then, 0: by none.
        self._saved_in = np.zeros(blocks, np.int64)
        #: Before which save one of its rows changed last.
        self._changed_in = np.zeros(blocks, np.int64)
        self._rows_saved = np.zeros(blocks, np.int64)
        #: Pieces of rows that changed: (number, before which save).
        self._changes: list[tuple[int, int]] = []
        self._next_change = 0
        self._next_block = 0

    def changed(self, rows: NDArray[np.integer[Any]]) -> None:
        """Call after rows [u] have changed."""
        self._is_changed[rows] = True

    def save(self, columns: Columns, store: RowStore) -> None:
        """Write what is not in the store yet."""
        changed = np.flatnonzero(self._is_changed)
        self._saves += 1
        if self._saves == 1:
            store.blocks.clear()
            store.changes.clear()
            self._changed_in[:] = self._saves
        self._changed_in[changed // self._block_rows] = self._saves
        self._write_blocks(len(changed), columns, store)
        rest = changed[self._saved_in[changed // self._block_rows] < self._saves]
        for start in range(0, len(rest), self._block_rows):
            ids = rest[start : start + self._block_rows]
            store.put_change(self._next_change, _to_bytes(columns, ids))
            self._changes.append((self._next_change, self._saves))
            self._next_change += 1
        self._forget_outdated(store)
        self._is_changed[changed] = False

    def load(self, columns: Columns, store: RowStore) -> None:
        """Fill columns that are zero. Raises KeyError, ValueError, OSError or BadZipFile."""
        for block in np.flatnonzero(self._rows_saved).tolist():
            ids, values = _from_bytes(store.blocks.get(block), f"block {block}")
            for name, column in columns.items():
                column[ids] = values[name]
        for number, save in self._changes:
            ids, values = _from_bytes(store.changes.get(number), f"change {number}")
            newer = save > self._saved_in[ids // self._block_rows]
            for name, column in columns.items():
                column[ids[newer]] = values[name][newer]

    def to_state(self) -> dict[str, Any]:
        """For JSON, after a save."""
        return {
            "rows": len(self._is_changed),
            "block_rows": self._block_rows,
            "saves": self._saves,
            "saved_in": self._saved_in.tolist(),
            "changed_in": self._changed_in.tolist(),
            "rows_saved": self._rows_saved.tolist(),
            "changes": self._changes,
            "next_change": self._next_change,
            "next_block": self._next_block,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "SavedRows":
        """The reverse of :meth:`to_state`. Raises KeyError."""
        saved = cls(state["rows"], state["block_rows"])
        saved._saves = state["saves"]
        saved._saved_in[:] = state["saved_in"]
        saved._changed_in[:] = state["changed_in"]
        saved._rows_saved[:] = state["rows_saved"]
        saved._changes = [(number, save) for number, save in state["changes"]]
        saved._next_change = state["next_change"]
        saved._next_block = state["next_block"]
        return saved

    def _write_blocks(self, changed: int, columns: Columns, store: RowStore) -> None:
        """In turns, until they have as many rows as have changed; all if that is half of them."""
        is_each_due = 2 * changed >= self._rows_saved.sum()
        written = 0
        for _ in range(len(self._saved_in)):
            if written >= changed and not is_each_due:
                return
            block = self._next_block
            self._next_block = (block + 1) % len(self._saved_in)
            if self._changed_in[block] > self._saved_in[block]:
                self._write_block(block, columns, store)
                written += int(self._rows_saved[block])
            self._saved_in[block] = self._saves

    def _write_block(self, block: int, columns: Columns, store: RowStore) -> None:
        start = block * self._block_rows
        part = slice(start, start + self._block_rows)
        has_value = np.any([_has_value(column[part]) for column in columns.values()], axis=0)
        ids = start + np.flatnonzero(has_value)
        self._rows_saved[block] = len(ids)
        if len(ids):
            store.put_block(block, _to_bytes(columns, ids))

    def _forget_outdated(self, store: RowStore) -> None:
        """What changed before the save that all blocks are as new as."""
        oldest = int(self._saved_in.min())
        for number, save in self._changes:
            if save <= oldest:
                store.changes.remove(number)
        self._changes = [each for each in self._changes if each[1] > oldest]


def _has_value(column: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = column.reshape(len(column), -1).any(axis=1)
    return found


def _to_bytes(columns: Columns, ids: Ids) -> bytes:
    buffer = io.BytesIO()
    values = {name: column[ids] for name, column in columns.items()}
    np.savez(buffer, ids=ids.astype(np.int32), **values)
    return buffer.getvalue()


def _from_bytes(data: bytes | None, name: str) -> tuple[NDArray[np.int32], Columns]:
    if data is None:
        raise KeyError(f"{name} is not in the store")
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        columns = {name: stored[name] for name in stored.files}
    return columns["ids"], columns
