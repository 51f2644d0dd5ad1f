"""Numba's compiler in the places where learners run."""

import subprocess
import sys

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online_model.network.compiled import compiled, prefetch

IN_A_WORKER = """
import builtins
from pyflink.fn_execution.beam.beam_sdk_worker_main import CustomPrint
builtins.print = CustomPrint(print).print
from online_model.network.row_kernels import *
import sys
sys.stdout.write("imported")
"""


def test_kernels_are_compiled_where_flink_has_replaced_print() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_WORKER], capture_output=True, text=True, check=False
    )
    assert done.stdout == "imported", done.stderr


@compiled
def sum_asked_for(table: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
    total = 0.0
    for at in range(len(rows)):
        prefetch(table, rows[min(at + 3, len(rows) - 1)], table.shape[1] - 1)
        for column in range(table.shape[1]):
            total += table[rows[at], column]
    return total


def test_what_is_asked_for_ahead_stays_as_it_was() -> None:
    table = np.arange(3000.0, dtype=np.float32).reshape(1000, 3)
    before, rows = table.copy(), np.array([999, 0, 500, 0])
    assert sum_asked_for(table, rows) == table[rows].sum()
    assert np.array_equal(table, before)
    anew = njit(sum_asked_for.py_func)  # type: ignore[attr-defined]  # not from the cache
    anew(table, rows)
    assert "llvm.prefetch" in next(iter(anew.inspect_llvm().values()))
