"""What several processes learnt of rows, joined by the kernels and by the formula itself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.training import join_kernels

ROWS, WIDTH = 7, 4
PRIOR = np.array([2.0, 5.0], np.float32)
MEMORY = 40.0
#: Which rows each of three processes met.
MET = ([0, 1, 2], [2, 3], [2, 5])
Floats = NDArray[np.float32]


def table(seed: int) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    values = random.normal(size=(ROWS, WIDTH)).astype(np.float32)
    return values, random.uniform(0, 30, (ROWS, 2)).astype(np.float32)


def learnt(seed: int) -> tuple[Floats, Floats]:
    values, curvature = (array.copy() for array in table(0))
    moved, gained = table(seed)
    met = MET[seed - 1]
    values[met] += moved[met]
    curvature[met] += gained[met]
    return values, curvature


def precision(curvature: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    columns = np.minimum(np.arange(WIDTH), 1)
    return (PRIOR + curvature.astype(np.float64))[:, columns]


def joined(tables: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """As the first process does it."""
    told = []
    old = table(0)
    for (values, curvature), met in zip(tables, MET, strict=True):
        rows = np.array(met, np.int32)
        sums = np.empty((len(rows), 2 + WIDTH), np.float32)
        join_kernels.tell(values, curvature, *old, rows, PRIOR, sums)
        told.append((rows, sums))
    rows = np.unique(np.concatenate([of for of, _ in told])).astype(np.int32)
    join_kernels.open_rows(*old, rows, PRIOR)
    for of, sums in told:
        join_kernels.add(*old, of, sums)
    values, curvature = tables[0]
    join_kernels.close_rows(values, curvature, *old, rows, PRIOR, MEMORY)
    np.testing.assert_array_equal(old[0], values)
    np.testing.assert_array_equal(old[1], curvature)
    return values, curvature


def test_evidence_of_all_processes_adds_up() -> None:
    tables = [learnt(seed) for seed in (1, 2, 3)]
    old_values, old_curvature = table(0)
    evidence = precision(old_curvature) * old_values
    curvature = old_curvature.astype(np.float64)
    for mine, gathered in tables:
        evidence = evidence + precision(gathered) * mine - precision(old_curvature) * old_values
        curvature += gathered - old_curvature
    expected = evidence / precision(curvature)
    found = joined([(values.copy(), gathered.copy()) for values, gathered in tables])
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], np.minimum(curvature, MEMORY), rtol=1e-6)


def test_a_row_that_one_process_met_keeps_what_it_learnt() -> None:
    tables = [learnt(seed) for seed in (1, 2, 3)]
    values, _ = joined([(values.copy(), gathered.copy()) for values, gathered in tables])
    for process, row in ((0, 0), (0, 1), (1, 3), (2, 5)):
        np.testing.assert_allclose(values[row], tables[process][0][row], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(values[[4, 6]], table(0)[0][[4, 6]])
