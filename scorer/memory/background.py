"""What is loaded while requests are answered goes slowly: they share cores and caches with it."""

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable
from time import monotonic, sleep

#: About a tenth of a core while requests take all of it: a model that comes must not wait for ever.
_NICENESS = 10
#: Numbers of glibc's malloc.h; how much each of its arenas keeps at most, and the largest number
#: that it takes for the other.
_TRIM_THRESHOLD, _LARGEST_KEPT = -1, 256 << 20
_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD = -3, 32 << 20


def keep_what_is_imported() -> None:
    """Collections of garbage leave alone what is there now, which is modules mostly.

    They would look at a hundred thousand objects, again and again, while requests wait. For who
    starts: a model that is there already could never be freed if it is part of a cycle.
    """
    gc.collect()
    gc.freeze()


def keep_freed_memory() -> None:
    """What this process frees it uses again, instead of asking the system for new pages time and
    again, each of which costs a fault. For one that works through large arrays; glibc only.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _LARGEST_KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)


def go_behind_requests(thread: threading.Thread) -> None:
    """A started thread gets what others leave of a core.

    For a process without requests: elsewhere it would hold the interpreter's lock against them.
    """
    if sys.platform == "linux" and thread.native_id is not None:  # elsewhere: a whole process
        os.setpriority(os.PRIO_PROCESS, thread.native_id, _NICENESS)


class Pace:
    """Rests between pieces of work, so that work takes ``share`` of the time; 1: no rest."""

    def __init__(
        self,
        share: float,
        clock: Callable[[], float] = monotonic,
        rest: Callable[[float], None] = sleep,
    ) -> None:
        self._rest_per_work = 1.0 / share - 1.0
        self._clock = clock
        self._rest = rest
        self._since = clock()

    def piece_is_done(self) -> None:
        """Rest for as long as the piece deserves."""
        if self._rest_per_work > 0:
            self._rest((self._clock() - self._since) * self._rest_per_work)
        self._since = self._clock()
