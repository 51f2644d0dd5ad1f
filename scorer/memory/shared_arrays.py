"""Named arrays in one file of a memory file system: one process writes them, others map them.

A file may be far larger than its content: pages that were never written take no memory.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from scorer.memory.background import Pace
from scorer.memory.page_mapping import map_pages, mapped, unmap_pages

#: Type and shape of each array.
Entry = tuple[np.dtype[Any] | str, tuple[int, ...]]
Layout = Mapping[str, Entry]
Arrays = dict[str, NDArray[Any]]
_HEADER_BYTES = 16_384
_PAGE = 4_096


def create(path: Path, layout: Layout) -> Arrays:
    """Arrays of zeros in a new file."""
    descriptions = {
        name: (npy.dtype_to_descr(np.dtype(dtype)), shape)  # type: ignore[no-untyped-call]
        for name, (dtype, shape) in layout.items()
    }
    header = repr(descriptions).encode()
    if len(header) > _HEADER_BYTES:
        raise ValueError(f"{path.name}: too many arrays")
    with path.open("wb") as file:
        file.write(header.ljust(_HEADER_BYTES))
        file.truncate(_HEADER_BYTES + size(layout))
    return attach(path, writable=True)


def attach(path: Path, writable: bool = False, pace: Pace | None = None) -> Arrays:
    """The arrays of a file; they stay valid when it is deleted or replaced.

    With a ``pace``, what was written to them is mapped at once, and not by who first reads it.
    """
    with path.open("r+b" if writable else "rb") as file:
        descriptions = ast.literal_eval(file.read(_HEADER_BYTES).decode().rstrip())
        memory = mapped(file.fileno(), writable)
        if pace is not None:
            map_pages(file.fileno(), memory, pace)
    arrays: Arrays = {}
    at = _HEADER_BYTES
    for name, (description, shape) in descriptions.items():
        dtype = npy.descr_to_dtype(description)  # type: ignore[no-untyped-call]
        arrays[name] = np.ndarray(shape, dtype, memoryview(memory).cast("B"), at)
        arrays[name].flags.writeable = writable
        at += _room(dtype, shape)
    return arrays


def let_go(arrays: Mapping[str, NDArray[Any]], pace: Pace) -> None:
    """Unmap what is mapped of the arrays of a file, which need not be read any more, but can be."""
    for array in arrays.values():
        unmap_pages(array, pace)


def size(layout: Layout) -> int:
    """Bytes of the arrays, once all of them are written."""
    return sum(_room(*entry) for entry in layout.values())


def _room(dtype: np.dtype[Any] | str, shape: tuple[int, ...]) -> int:
    size = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
    return -(-size // _PAGE) * _PAGE


def prefixed(prefix: str, layout: Layout) -> dict[str, Entry]:
    """A layout under a prefix, to be part of a larger one."""
    return {f"{prefix}.{name}": entry for name, entry in layout.items()}


def part(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The arrays under a prefix."""
    begin = prefix + "."
    return {n.removeprefix(begin): a for n, a in arrays.items() if n.startswith(begin)}
