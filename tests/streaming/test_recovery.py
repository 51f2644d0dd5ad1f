"""Where a job goes on: the newest complete checkpoint or savepoint."""

import os
from pathlib import Path

import pytest

from streaming.recovery import DrainedError, RestorePoint, newest


class Folders:
    """Checkpoints and savepoints as Flink lays them out, written one after the other."""

    def __init__(self, root: Path) -> None:
        self.checkpoints = root / "checkpoints"
        self.savepoints = root / "savepoints"
        self.drained = root / "drained"
        self._written = 0

    def checkpoint(self, job: str, number: int, metadata: bytes = b"x") -> Path:
        return self._write(self.checkpoints / job / f"chk-{number}", metadata)

    def savepoint(self, name: str, metadata: bytes = b"x") -> Path:
        return self._write(self.savepoints / name, metadata)

    def drain(self, name: str, metadata: bytes = b"x") -> Path:
        return self._write(self.drained / name, metadata)

    def newest(self) -> RestorePoint | None:
        return newest(self.checkpoints, self.savepoints, self.drained)

    def _write(self, folder: Path, metadata: bytes) -> Path:
        folder.mkdir(parents=True)
        file = folder / "_metadata"
        file.write_bytes(metadata)
        self._written += 1
        os.utime(file, (self._written, self._written))
        return folder


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_a_new_job_starts_from_nothing(folders: Folders) -> None:
    assert folders.newest() is None


def test_the_time_decides_not_the_number(folders: Folders) -> None:
    folders.checkpoint("a" * 32, 99)
    later = folders.checkpoint("b" * 32, 3)
    assert folders.newest() == RestorePoint(later, "CLAIM")


def test_a_savepoint_belongs_to_nobody(folders: Folders) -> None:
    folders.checkpoint("a" * 32, 1)
    savepoint = folders.savepoint("savepoint-aaaaaa-1")
    assert folders.newest() == RestorePoint(savepoint, "NO_CLAIM")
    checkpoint = folders.checkpoint("a" * 32, 2)
    assert folders.newest() == RestorePoint(checkpoint, "CLAIM")


def test_what_is_not_complete_does_not_count(folders: Folders) -> None:
    complete = folders.checkpoint("a" * 32, 1)
    (folders.checkpoints / ("a" * 32) / "chk-2").mkdir()
    (folders.checkpoints / ("a" * 32) / "shared").mkdir()
    folders.checkpoint("a" * 32, 3, metadata=b"")
    folders.savepoint("savepoint-aaaaaa-1", metadata=b"")
    folders.savepoint("somebody-elses")
    assert folders.newest() == RestorePoint(complete, "CLAIM")


def test_a_drained_job_does_not_go_on(folders: Folders) -> None:
    """Neither from before the drain, which would repeat its outputs, nor from nothing."""
    folders.drain("savepoint-aaaaaa-1")
    with pytest.raises(DrainedError, match=f"delete {folders.drained}"):
        folders.newest()
    checkpoint = folders.checkpoint("b" * 32, 1)
    assert folders.newest() == RestorePoint(checkpoint, "CLAIM")
    folders.drain("savepoint-bbbbbb-1")
    with pytest.raises(DrainedError):
        folders.newest()


def test_a_drain_that_failed_does_not_count(folders: Folders) -> None:
    folders.drain("savepoint-aaaaaa-1", metadata=b"")
    assert folders.newest() is None
