"""Compiled loops over table rows: reading fields, and the sum of what a batch says of each row.

A row that is used many times in a batch is written once. Everything runs in one thread and in the
order of the samples, so the same batch gives the same bits. Rows are asked for before their turn:
they are anywhere in a table that no cache holds.
"""

import math

import numpy as np
from numpy.typing import NDArray

from online_model.network.compiled import compiled, prefetch

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
FREE = -1
#: How long before its turn a row is asked for: in rows, and in samples where all of one are read.
ROWS_AHEAD, SAMPLES_AHEAD = 16, 2
#: Of a cache line, in float32.
_LINE = 16


@compiled
def read_fields(values: Floats, ids: Ids, sequence: Ids, at: int, fields: Floats) -> None:
    """Rows of ``ids`` [n, singles] into ``fields`` [n, F, width].

    Field ``at`` (none if negative) is the mean of the rows of ``sequence`` [n, L], −1 padded.
    """
    width = values.shape[1]
    for i in range(len(ids)):
        if i + SAMPLES_AHEAD < len(ids):
            for row in ids[i + SAMPLES_AHEAD]:
                _ask_for(values, row)
            for row in sequence[i + SAMPLES_AHEAD]:
                if row >= 0:
                    _ask_for(values, row)
        field = 0
        for k in range(ids.shape[1]):
            if field == at:
                field += 1
            row = ids[i, k]
            for j in range(width):
                fields[i, field, j] = values[row, j]
            field += 1
        if at >= 0:
            _pool(values, sequence[i], fields[i, at])


@compiled
def _ask_for(table: Floats, row: int) -> None:
    last = table.shape[1] - 1
    for column in range(0, last, _LINE):
        prefetch(table, row, column)
    prefetch(table, row, last)


@compiled
def _pool(values: Floats, rows: Ids, pooled: Floats) -> None:
    pooled[:] = 0.0
    used = 0
    for row in rows:
        if row >= 0:
            used += 1
            for j in range(len(pooled)):
                pooled[j] += values[row, j]
    for j in range(len(pooled)):
        pooled[j] /= np.float32(max(used, 1))


@compiled
def sum_by_row(
    ids: Ids,
    sequence: Ids,
    at: int,
    gradients: Floats,
    scales: Floats,
    place: NDArray[np.int32],
    rows: Ids,
    places: NDArray[np.int32],
    slopes: Floats,
    seen: Floats,
) -> int:
    """How many distinct rows u the samples use; fills the first u of ``rows``, ``slopes`` and
    ``seen`` in the order of first use.

    ``gradients`` [n, F, width], ``scales`` [n] makes squares of them curvature. ``place`` [table
    rows] is FREE everywhere, before and after; ``places`` [uses] is room. Arrays are handed on as
    wholes: Numba counts references to a part of one, which took longer than the sums.
    """
    u = _find_places(ids, sequence, place, rows, places)
    slopes[:u] = 0.0
    seen[:u] = 0.0
    use = 0
    for i in range(len(ids)):
        for k in range(ids.shape[1]):
            field = k + 1 if 0 <= at <= k else k
            _add(slopes, seen, places[use], gradients, i, field, np.float32(1.0), scales[i])
            use += 1
        used = 0
        for k in range(sequence.shape[1]):
            used += sequence[i, k] >= 0
        for _ in range(used):
            share = np.float32(1.0) / np.float32(used)
            _add(slopes, seen, places[use], gradients, i, at, share, scales[i])
            use += 1
    return u


@compiled
def _find_places(
    ids: Ids, sequence: Ids, place: NDArray[np.int32], rows: Ids, places: NDArray[np.int32]
) -> int:
    """Where each use of a row adds to: fills ``places`` and the first u of ``rows``, returns u."""
    u, use = 0, 0
    for i in range(len(ids)):
        for k in range(ids.shape[1]):
            u = _place(ids[i, k], place, rows, places, use, u)
            use += 1
        for k in range(sequence.shape[1]):
            if sequence[i, k] >= 0:
                u = _place(sequence[i, k], place, rows, places, use, u)
                use += 1
    for index in range(u):
        place[rows[index]] = FREE
    return u


@compiled
def _place(
    row: int, place: NDArray[np.int32], rows: Ids, places: NDArray[np.int32], use: int, u: int
) -> int:
    """Gives a row that is seen first the next place; how many have one now. Without a branch, that
    a processor would guess wrong every other time."""
    is_new = place[row] == FREE
    here = u if is_new else place[row]
    place[row] = here
    places[use] = here
    rows[u] = row
    return u + int(is_new)


@compiled
def _add(
    slopes: Floats,
    seen: Floats,
    here: int,
    gradients: Floats,
    i: int,
    field: int,
    share: np.float32,
    scale: np.float32,
) -> None:
    """One use of a row: its gradient × share, and the curvature of weight and embedding."""
    width = gradients.shape[2]
    first = gradients[i, field, 0] * share
    slopes[here, 0] += first
    seen[here, 0] += first * first * scale
    squares = np.float32(0.0)
    for j in range(1, width):
        part = gradients[i, field, j] * share
        slopes[here, j] += part
        squares += part * part
    if width > 1:
        seen[here, 1] += squares * scale / np.float32(width - 1)


@compiled
def newton_step(
    values: Floats,
    curvature: Floats,
    rows: Ids,
    slopes: Floats,
    seen: Floats,
    share: float,
    first_prior: float,
    embedding_prior: float,
    limit: float,
    memory: float,
) -> None:
    """Moves rows [u] by share × slope / (prior + curvature), an embedding by ``limit`` at most."""
    for index in range(len(rows)):
        if index + ROWS_AHEAD < len(rows):
            _ask_for(values, rows[index + ROWS_AHEAD])
            prefetch(curvature, rows[index + ROWS_AHEAD], 0)
        row = rows[index]
        for column in range(2):
            gathered = curvature[row, column] + seen[index, column]
            curvature[row, column] = min(gathered, np.float32(memory))
        values[row, 0] -= share * slopes[index, 0] / (first_prior + curvature[row, 0])
        rate = np.float32(share / (embedding_prior + curvature[row, 1]))
        squares = np.float32(0.0)
        for j in range(1, values.shape[1]):
            squares += slopes[index, j] * slopes[index, j]
        length = rate * math.sqrt(squares)
        if length > limit:
            rate *= np.float32(limit / length)
        for j in range(1, values.shape[1]):
            values[row, j] -= rate * slopes[index, j]
