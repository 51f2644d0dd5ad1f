"""Pages are mapped before they are read, and holes of a file stay holes."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from scorer.memory import shared_arrays
from scorer.memory.background import Pace
from scorer.memory.page_mapping import map_pages

MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    """In a memory file system, where reading a hole takes memory."""
    if sys.platform != "linux" or not MEMORY.is_dir():
        pytest.skip("no memory file system")
    with TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


def mapped_bytes(path: Path) -> int:
    """Pages of a file that this process has mapped and touched, as the system tells."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    sizes = [
        int(line.split()[1]) << 10
        for place, line in enumerate(lines)
        if line.startswith("Rss:") and lines[max(0, place - 4)].endswith(str(path))
    ]
    return sum(sizes)


def test_what_was_written_is_mapped_and_holes_take_no_memory(folder: Path) -> None:
    path = folder / "arrays"
    written = shared_arrays.create(path, {"few": ("<i4", (1 << 20,)), "many": ("<i4", (1 << 20,))})
    written["many"][:] = 7
    del written
    used = path.stat().st_blocks
    plain = shared_arrays.attach(path)
    assert mapped_bytes(path) < 1 << 20
    ahead = shared_arrays.attach(path, pace=Pace(1.0))
    assert mapped_bytes(path) >= 4 << 20
    assert path.stat().st_blocks == used
    np.testing.assert_array_equal(ahead["many"], plain["many"])


def test_a_file_that_is_deleted_meanwhile_is_mapped_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "arrays"
    shared_arrays.create(path, {"few": ("<i4", (8,))})["few"][:] = 7

    def deleted_first(*arguments: Any) -> None:
        path.unlink()
        map_pages(*arguments)

    monkeypatch.setattr(shared_arrays, "map_pages", deleted_first)
    assert shared_arrays.attach(path, pace=Pace(1.0))["few"].tolist() == [7] * 8
