"""Compiled loops that join what several processes have learnt of table rows, see shared_model.py.

All processes run them on the same numbers in the same order, so that they end with the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from online_model.network.compiled import compiled

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@compiled
def tell(
    values: Floats,
    curvature: Floats,
    old_values: Floats,
    old_curvature: Floats,
    rows: Ids,
    prior: Floats,
    told: Floats,
) -> None:
    """Into ``told`` [m, 2 + width]: the curvature that ``rows`` [m] gained since the tables were
    one, and the evidence: what precision × value is more than it was.

    ``prior`` [2] is the prior precision of a weight and of an embedding.
    """
    for i in range(len(rows)):
        row = rows[i]
        for column in range(2):
            told[i, column] = curvature[row, column] - old_curvature[row, column]
        for j in range(values.shape[1]):
            column = min(j, 1)
            now = (prior[column] + curvature[row, column]) * values[row, j]
            then = (prior[column] + old_curvature[row, column]) * old_values[row, j]
            told[i, 2 + j] = now - then


@compiled
def open_rows(old_values: Floats, old_curvature: Floats, rows: Ids, prior: Floats) -> None:
    """Values of rows [u] become precision × value, so that evidence can be added."""
    for i in range(len(rows)):
        row = rows[i]
        for j in range(old_values.shape[1]):
            column = min(j, 1)
            old_values[row, j] *= prior[column] + old_curvature[row, column]


@compiled
def add(old_values: Floats, old_curvature: Floats, rows: Ids, told: Floats) -> None:
    """What one process told of rows [m]."""
    for i in range(len(rows)):
        row = rows[i]
        for column in range(2):
            old_curvature[row, column] += told[i, column]
        for j in range(old_values.shape[1]):
            old_values[row, j] += told[i, 2 + j]


@compiled
def close_rows(
    values: Floats,
    curvature: Floats,
    old_values: Floats,
    old_curvature: Floats,
    rows: Ids,
    prior: Floats,
    memory: float,
) -> None:
    """The reverse of :func:`open_rows`; the table has rows [u] likewise then."""
    most = np.float32(memory)
    for i in range(len(rows)):
        row = rows[i]
        for j in range(values.shape[1]):
            column = min(j, 1)
            old_values[row, j] /= prior[column] + old_curvature[row, column]
            values[row, j] = old_values[row, j]
        for column in range(2):
            old_curvature[row, column] = min(old_curvature[row, column], most)
            curvature[row, column] = old_curvature[row, column]
