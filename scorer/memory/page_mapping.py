"""Maps the pages of a file ahead of the requests that would else pay for them, one fault each."""

import ctypes
import os
from collections.abc import Iterator
from mmap import mmap

import numpy as np

from scorer.memory.background import Pace

_LIBRARY = ctypes.CDLL(None)
_LIBRARY.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
#: MADV_POPULATE_READ: Linux 5.14 and later, others refuse it.
_POPULATE_READ = 22
#: A tenth of a millisecond.
_PIECE_BYTES = 1 << 20


def map_pages(descriptor: int, memory: mmap, pace: Pace) -> None:
    """Of all that was written to an open file, which is mapped as ``memory``, in small pieces.

    Without the interpreter's lock; where the system cannot, faults do it later.
    """
    address = np.frombuffer(memory, np.uint8).ctypes.data
    for begin, end in _written(descriptor):
        for at in range(begin, end, _PIECE_BYTES):
            length = min(_PIECE_BYTES, end - at)
            if _LIBRARY.madvise(address + at, length, _POPULATE_READ) != 0:
                return
            pace.piece_is_done()


def _written(descriptor: int) -> Iterator[tuple[int, int]]:
    """Stretches of a file that take memory: to read what is between them would take more."""
    end = 0
    while True:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # nothing follows
            return
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, end
