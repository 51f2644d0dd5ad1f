"""Numba's compiler in the places where learners run."""

import subprocess
import sys

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
