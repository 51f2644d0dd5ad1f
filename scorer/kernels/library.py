"""Loading a build of the kernels, and passing arrays to it."""

import ctypes
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[2] / ".build" / "kernels"
POINTER, INT, LONG = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
FLOAT = ctypes.c_float
_Byte: Any = ctypes.c_char


class StaleKernelsError(RuntimeError):
    """The builds are of other sources; the message has the remedy."""


def require_current(folder: Path = FOLDER) -> None:
    """Raises StaleKernelsError: a call with other arguments than were compiled ruins memory.

    Where there are no sources, as in an image, the builds are taken as they are.
    """
    sources = Path(__file__).parent
    files = sorted(path.name for path in sources.iterdir() if path.suffix in (".c", ".h"))
    if not files or not folder.exists():
        return
    here = hashlib.sha256(b"".join((sources / name).read_bytes() for name in [*files, "build.sh"]))
    built = folder / "sources"
    if not built.exists() or built.read_text().strip() != here.hexdigest():
        raise StaleKernelsError(f"{folder} was built from other sources: run `make setup`")


def load(name: str) -> ctypes.CDLL:
    """A build. Raises OSError if it is not there."""
    # Letting go of the interpreter's lock is of no use to a process that has one core, and each
    # time another request takes over, which is then in the way of this one.
    loader = ctypes.PyDLL if _has_one_core() else ctypes.CDLL
    return loader(str(FOLDER / f"{name}.so"))


def address(array: NDArray[Any]) -> int:
    """Where a contiguous array begins."""
    try:
        return ctypes.addressof(_Byte.from_buffer(array))
    except (TypeError, ValueError):  # it is read-only, or empty
        begin: int = array.__array_interface__["data"][0]
        return begin


def _has_one_core() -> bool:
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) == 1
