"""Compiled loops over table rows: reading fields, and the sum of what a batch says of each row.

A row that is used many times in a batch is written once. Everything runs in one thread and in the
order of the samples, so the same batch gives the same bits.
"""

import math

import numpy as np
from numpy.typing import NDArray

from online_model.network.compiled import compiled

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
FREE = -1


@compiled
def read_fields(values: Floats, ids: Ids, sequence: Ids, at: int, fields: Floats) -> None:
    """Rows of ``ids`` [n, singles] into ``fields`` [n, F, width].

    Field ``at`` (none if negative) is the mean of the rows of ``sequence`` [n, L], −1 padded.
    """
    width = values.shape[1]
    for i in range(len(ids)):
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
def _add(
    slope: Floats, seen: Floats, gradient: Floats, share: np.float32, scale: np.float32
) -> None:
    """One use of a row: its gradient × share, and the curvature of weight and embedding."""
    first = gradient[0] * share
    slope[0] += first
    seen[0] += first * first * scale
    squares = np.float32(0.0)
    for j in range(1, len(gradient)):
        part = gradient[j] * share
        slope[j] += part
        squares += part * part
    if len(gradient) > 1:
        seen[1] += squares * scale / np.float32(len(gradient) - 1)


@compiled
def sum_by_row(
    ids: Ids,
    sequence: Ids,
    at: int,
    gradients: Floats,
    scales: Floats,
    place: NDArray[np.int32],
    rows: Ids,
    slopes: Floats,
    seen: Floats,
) -> int:
    """How many distinct rows u the samples use; fills the first u of ``rows``, ``slopes`` and
    ``seen`` in the order of first use.

    ``gradients`` [n, F, width], ``scales`` [n] makes squares of them curvature. ``place`` [table
    rows] is FREE everywhere, before and after.
    """
    u = 0
    for i in range(len(ids)):
        field = 0
        for k in range(ids.shape[1]):
            if field == at:
                field += 1
            u = _place(ids[i, k], place, rows, slopes, seen, u)
            here = place[ids[i, k]]
            _add(slopes[here], seen[here], gradients[i, field], np.float32(1.0), scales[i])
            field += 1
        if at >= 0:
            used = 0
            for row in sequence[i]:
                used += row >= 0
            for row in sequence[i]:
                if row >= 0:
                    u = _place(row, place, rows, slopes, seen, u)
                    share = np.float32(1.0) / np.float32(used)
                    _add(slopes[place[row]], seen[place[row]], gradients[i, at], share, scales[i])
    for index in range(u):
        place[rows[index]] = FREE
    return u


@compiled
def _place(
    row: int, place: NDArray[np.int32], rows: Ids, slopes: Floats, seen: Floats, u: int
) -> int:
    """Gives a row that is seen first the next place; how many have one now."""
    if place[row] != FREE:
        return u
    place[row] = u
    rows[u] = row
    slopes[u] = 0.0
    seen[u] = 0.0
    return u + 1


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
