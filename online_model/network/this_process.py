"""What a process that learns sets for all of itself."""

import ctypes

import torch

#: Of freed memory stays with the process: many times what one step takes and gives back.
KEPT_BYTES = 256 << 20
#: The most that glibc takes, on 64 bits.
_LARGEST_FROM_HEAP = 32 << 20
#: Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def prepare_to_learn(threads: int) -> None:
    """Torch's products run in so many threads, and what a step frees the next one takes again.

    A step of 2,048 samples takes and frees 30 MB. glibc hands such arrays back to the system,
    which hands them out again page by page: a quarter of the time. Other C libraries decide
    themselves.
    """
    torch.set_num_threads(threads)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_FROM_HEAP)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
