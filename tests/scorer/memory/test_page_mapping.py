"""Pages are mapped before they are read, and holes of a file stay holes."""

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.memory import page_mapping, shared_arrays
from scorer.memory.background import Pace
from scorer.memory.page_mapping import HUGE_PAGE, make_pages, map_pages, use_huge_pages

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


def test_pages_that_will_be_written_are_made_at_once_and_no_others(folder: Path) -> None:
    path = folder / "arrays"
    written = shared_arrays.create(path, {"few": ("<i4", (8,)), "many": ("<i4", (2 << 20,))})
    make_pages(written["many"][: 1 << 20], Pace(1.0))
    assert 4 << 20 <= path.stat().st_blocks * 512 <= 5 << 20
    assert 4 << 20 <= mapped_bytes(path) <= 5 << 20
    assert not written["many"].any()


def test_what_is_let_go_takes_no_pages_and_can_still_be_read(folder: Path) -> None:
    path = folder / "arrays"
    written = shared_arrays.create(path, {"few": ("<i4", (1 << 20,)), "many": ("<i4", (5 << 20,))})
    written["many"][:] = 7
    del written
    arrays = shared_arrays.attach(path, pace=Pace(1.0))
    assert mapped_bytes(path) >= 20 << 20
    rests: list[float] = []
    shared_arrays.let_go(arrays, Pace(0.5, rest=rests.append))
    assert mapped_bytes(path) < 1 << 20
    assert len(rests) == 4
    path.unlink()
    assert (arrays["many"] == 7).all()


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


def huge_bytes(array: NDArray[Any]) -> int:
    """How much of an array's mapping is in huge pages, as the system tells."""
    begin = format(array.__array_interface__["data"][0] // HUGE_PAGE * HUGE_PAGE, "x")
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    next(line for line in lines if line.startswith(begin))
    return int(next(line for line in lines if line.startswith("ShmemPmdMapped:")).split()[1]) << 10


def test_what_is_written_is_in_huge_pages_and_what_is_not_takes_none(folder: Path) -> None:
    if not collapses():
        pytest.skip("this system makes no huge pages on demand")
    path = folder / "arrays"
    written = shared_arrays.create(path, {"all": ("u1", (4, HUGE_PAGE))})["all"]
    written[0] = 7
    use_huge_pages(written[:3])
    assert 2 * HUGE_PAGE <= path.stat().st_blocks * 512 <= 3 * HUGE_PAGE
    written[1:3] = 7
    assert huge_bytes(written) == 2 * HUGE_PAGE
    ahead = shared_arrays.attach(path, pace=Pace(1.0))["all"]
    assert huge_bytes(ahead) == 2 * HUGE_PAGE
    np.testing.assert_array_equal(ahead, written)
    del written
    assert (ahead[:3] == 7).all()
    with pytest.raises(ValueError, match="read-only"):
        ahead[0, 0] = 1


@pytest.mark.parametrize(("failing", "asked"), [({1}, 12), (set(range(12)), 8)])
def test_a_place_that_cannot_be_in_a_huge_page_keeps_no_others_out(
    failing: set[int], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until so many in a row fail that the system has none."""
    places: list[int] = []

    def madvise(at: int, *_: int) -> int:
        places.append(at)
        return -1 if len(places) - 1 in failing else 0

    monkeypatch.setattr(page_mapping, "_LIBRARY", SimpleNamespace(madvise=madvise))
    use_huge_pages(np.zeros(13 * HUGE_PAGE, np.uint8))
    assert len(places) == asked
    assert set(np.diff(places).tolist()) == {HUGE_PAGE}


def collapses() -> bool:
    """Since Linux 6.1, if huge pages are there at all."""
    system = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
    release = tuple(int(part) for part in platform.release().split(".")[:2])
    return release >= (6, 1) and system.exists() and int(system.read_text()) == HUGE_PAGE
