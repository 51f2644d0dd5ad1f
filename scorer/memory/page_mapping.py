"""Files as memory: in huge pages where the system has them, and mapped ahead of the requests that
would else pay for it, one fault each page.

A request reads a few bytes of thousands of ads that are anywhere in gigabytes: with small pages,
most of these reads first look for their page in memory. Huge pages need no mount option and no
privilege: MADV_COLLAPSE, Linux 6.1 and later. Elsewhere, all stays in small ones.
"""

import ctypes
import mmap
import os
import weakref
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from scorer.memory.background import Pace

_LIBRARY = ctypes.CDLL(None, use_errno=True)
_LIBRARY.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_LIBRARY.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBRARY.mmap.restype = ctypes.c_void_p
_LIBRARY.mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
)  # fmt: skip
_FIXED, _NO_ACCESS, _FAILED = 0x10, 0, ctypes.c_void_p(-1).value
#: Linux 5.14 and 6.1 and later, others refuse them.
_POPULATE_READ, _POPULATE_WRITE, _COLLAPSE = 22, 23, 25
_DONT_NEED = 4
#: A tenth of a millisecond.
_PIECE_BYTES = 1 << 20
#: Quicker to let go than to map.
_UNMAPPED_BYTES = 8 << 20
#: In a row: then there is no more memory for them, or the system has none.
_MOST_FAILURES = 8
#: Of x86-64, and of ARM with the usual pages.
HUGE_PAGE = 2 << 20

Buffer = ctypes.Array[ctypes.c_char]


def mapped(descriptor: int, writable: bool) -> Buffer:
    """All of an open file, shared, from a place on that huge pages can begin at. Raises OSError."""
    size = os.fstat(descriptor).st_size
    room = size + HUGE_PAGE
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    reserved = _mmap(None, room, _NO_ACCESS, private, -1)
    begin = -(-reserved // HUGE_PAGE) * HUGE_PAGE
    access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    try:
        _mmap(begin, size, access, mmap.MAP_SHARED | _FIXED, descriptor)
    except OSError:
        _LIBRARY.munmap(reserved, room)
        raise
    memory = (ctypes.c_char * size).from_address(begin)
    weakref.finalize(memory, _LIBRARY.munmap, reserved, room).atexit = False
    return memory


def _mmap(at: int | None, size: int, access: int, flags: int, descriptor: int) -> int:
    found: int | None = _LIBRARY.mmap(at, size, access, flags, descriptor, 0)
    if found is None or found == _FAILED:
        raise OSError(ctypes.get_errno(), "a file cannot be mapped")
    return found


def use_huge_pages(array: NDArray[Any]) -> None:
    """Memory of a contiguous array, all of which was written or will be, as far as it goes.

    For who starts: the system may move other memory to make room for huge pages, and who reads it
    waits meanwhile, for long if this process gets little of a core.
    """
    begin = array.__array_interface__["data"][0]
    failures = 0
    for at in range(-(-begin // HUGE_PAGE) * HUGE_PAGE, begin + array.nbytes, HUGE_PAGE):
        if at + HUGE_PAGE > begin + array.nbytes or failures == _MOST_FAILURES:
            return
        # What is empty cannot be collapsed: a read makes its first page.
        ctypes.c_char.from_address(at).value  # noqa: B018
        # One place may be in use at this moment, and the next one free.
        failures = 0 if _LIBRARY.madvise(at, HUGE_PAGE, _COLLAPSE) == 0 else failures + 1


def map_pages(descriptor: int, memory: Buffer, pace: Pace) -> None:
    """Of all that was written to an open file, which is mapped as ``memory``, in small pieces.

    Without the interpreter's lock; where the system cannot, faults do it later.
    """
    address = ctypes.addressof(memory)
    for begin, end in _written(descriptor):
        for at in range(begin, end, _PIECE_BYTES):
            length = min(_PIECE_BYTES, end - at)
            if _LIBRARY.madvise(address + at, length, _POPULATE_READ) != 0:
                return
            pace.piece_is_done()


def make_pages(array: NDArray[Any], pace: Pace) -> None:
    """For a writable array that begins a page, all of which will be written, in small pieces: a
    fault for each page costs more."""
    _advise(array, _POPULATE_WRITE, _PIECE_BYTES, pace)


def unmap_pages(array: NDArray[Any], pace: Pace) -> None:
    """Of an array that has its pages for itself, in small pieces: all at once, who wants memory
    would wait meanwhile. Who still reads the array maps what it reads again.
    """
    _advise(array, _DONT_NEED, _UNMAPPED_BYTES, pace)


def _advise(array: NDArray[Any], advice: int, piece_bytes: int, pace: Pace) -> None:
    """The system, piece by piece, until it refuses."""
    begin = array.__array_interface__["data"][0]
    for at in range(begin, begin + array.nbytes, piece_bytes):
        if _LIBRARY.madvise(at, min(piece_bytes, begin + array.nbytes - at), advice) != 0:
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
