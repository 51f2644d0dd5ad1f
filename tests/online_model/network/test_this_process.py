"""A process that learns keeps the memory that a step has freed."""

import platform
import subprocess
import sys

import pytest

STEPS, BYTES = 50, 8 << 20  # of one of four arrays
LOOP = f"""
import resource
import numpy as np
from online_model.network.this_process import prepare_to_learn
prepare_to_learn(1)
for step in range(1 + {STEPS}):
    if step == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones({BYTES}, np.uint8) for _ in range(4)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide themselves")
def test_what_a_step_frees_the_next_one_takes_again() -> None:
    told = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
    assert int(told.stdout) < STEPS * BYTES // 4096 // 10, "each step would have all of its pages"
