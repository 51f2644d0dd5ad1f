"""What rows of some arrays were before they changed, so that they can be put back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class RowJournal:
    """Of arrays that all have the same number of rows; each row is kept once, as it was first."""

    def __init__(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        self._arrays = arrays
        self._is_kept = np.zeros(len(arrays[0]), np.bool_)
        self._ids: list[Ids] = []
        self._before: list[list[NDArray[np.float32]]] = []

    def keep(self, rows: Ids) -> None:
        """Call before rows [u], all different, change."""
        new = rows[~self._is_kept[rows]]
        self._is_kept[new] = True
        self._ids.append(new)
        self._before.append([array[new] for array in self._arrays])

    def put_back(self) -> Ids:
        """Rows are again what they were; returns which, in order. Nothing is kept then."""
        for ids, before in zip(self._ids, self._before, strict=True):
            for array, values in zip(self._arrays, before, strict=True):
                array[ids] = values
        changed = np.flatnonzero(self._is_kept)
        self.forget()
        return changed

    @contextmanager
    def as_kept(self) -> Iterator[None]:
        """Inside, rows are what they were."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for ids, before in zip(self._ids, self._before, strict=True):
            for at, array in enumerate(self._arrays):
                now = array[ids]
                array[ids] = before[at]
                before[at] = now

    def forget(self) -> None:
        """Rows stay as they are now."""
        for ids in self._ids:
            self._is_kept[ids] = False
        self._ids, self._before = [], []

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All that is kept: ``ids`` and what each array had there."""
        ids = np.concatenate([np.zeros(0, np.int64), *self._ids])
        columns = {
            f"before{at}": np.concatenate([array[:0], *(before[at] for before in self._before)])
            for at, array in enumerate(self._arrays)
        }
        return {"ids": ids, **columns}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """From :meth:`to_arrays` of a journal of arrays of the same shapes."""
        self.forget()
        self._is_kept[kept["ids"]] = True
        self._ids = [kept["ids"]]
        self._before = [[kept[f"before{at}"] for at in range(len(self._arrays))]]
