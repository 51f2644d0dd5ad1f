"""Where a job goes on: its newest checkpoint or savepoint on disk."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from streaming.settings import JobName, StreamingSettings


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """``claim_mode``: a checkpoint belongs to the job that restores it, a savepoint to nobody."""

    path: Path
    claim_mode: Literal["CLAIM", "NO_CLAIM"]


class DrainedError(RuntimeError):
    """The job's event time has ended; the message says how to begin anew."""


class NoRestorePointError(RuntimeError):
    """There is nothing at that place, or nowhere, that a job could go on from."""


def at(path: str) -> RestorePoint:
    """The savepoint or retained checkpoint at a path (``file:`` or none), which stays as it is.

    Raises NoRestorePointError.
    """
    if "://" in path and not path.startswith("file:"):
        raise NoRestorePointError(
            f"{path} is not on this machine: copy the whole folder here and name the copy"
        )
    folder = Path(unquote(urlsplit(path).path)) if path.startswith("file:") else Path(path)
    if not (folder / "_metadata").is_file():
        raise NoRestorePointError(f"no savepoint at {folder}: it has no file _metadata")
    return RestorePoint(folder.absolute(), "NO_CLAIM")


def make_newest(point: RestorePoint) -> None:
    """Have a job that is started next go on from a savepoint, by the rule of :func:`newest`."""
    os.utime(point.path / "_metadata")


def savepoints_of(job: JobName, settings: StreamingSettings) -> list[RestorePoint]:
    """The complete savepoints of a job, newest first."""
    found = complete(settings.savepoints(job).glob("savepoint-*/_metadata"), "NO_CLAIM")
    return [point for _, point in sorted(found, key=lambda item: -item[0])]


def newest_of(job: JobName, settings: StreamingSettings) -> RestorePoint | None:
    """As :func:`newest`, in the folders of a job."""
    return newest(settings.checkpoints(job), settings.savepoints(job), settings.drained(job))


def newest(checkpoints: Path, savepoints: Path, drained: Path) -> RestorePoint | None:
    """The newest that is complete: Flink writes ``_metadata`` last. None before the first.

    Raises DrainedError if the job was drained after it: it cannot go on from there, and from
    nothing it would read Kafka from the beginning and count everything again.
    """
    ends = complete(drained.glob("savepoint-*/_metadata"), "NO_CLAIM")
    found = [
        *complete(checkpoints.glob("*/chk-*/_metadata"), "CLAIM"),
        *complete(savepoints.glob("savepoint-*/_metadata"), "NO_CLAIM"),
    ]
    last = max(found, key=lambda item: item[0], default=None)
    if ends and (last is None or max(ends, key=lambda item: item[0])[0] > last[0]):
        raise DrainedError(
            f"the job was drained: its event time has ended. To begin anew, from the first records "
            f"that Kafka still has, delete {drained}"
        )
    return None if last is None else last[1]


def complete(
    paths: Iterable[Path], claim_mode: Literal["CLAIM", "NO_CLAIM"]
) -> list[tuple[int, RestorePoint]]:
    """When each was written, in ns; not what is half written, or deleted meanwhile."""
    found = []
    for path in paths:
        with suppress(FileNotFoundError):
            written = path.stat()
            if written.st_size:
                point = RestorePoint(path.parent, claim_mode)
                found.append((written.st_mtime_ns, point))
    return found
