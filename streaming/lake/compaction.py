"""Landed files of an hour -> one Parquet file that holds each row once, in place of what was there.

The new file holds the old one's rows, too, and takes its name in one step; only then are the landed
files deleted. A reader of compacted hours never sees a row twice or misses one that it saw before.
After a crash in between, rows are in both places: readers of both and the next compaction drop the
repetitions by the table's identity.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.lake import SUCCESS, LakeTable
from stores.lake.folders import Hour, HourFolder, LakeError, compacted, landing
from stores.lake.parquet_files import arrow_schema, each_once, read_file, write_file

#: A landing folder in which nothing happened for so long is not needed by the job any more.
FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Compaction:
    """What was done to one hour: ``files`` became one of ``rows``; ``repeated`` rows are gone."""

    table: str
    hour: str
    files: int
    rows: int
    repeated: int


@contextmanager
def only_one(lake: Path) -> Iterator[None]:
    """Hold the lake against other compactions. Raises LakeError if one is at work."""
    if not lake.is_dir():
        raise LakeError(f"lake {lake}: no such folder")
    with (lake / ".compaction.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LakeError(f"lake {lake}: another compaction is at work") from None
        yield


def is_over(
    lake: Path, table: LakeTable, hour: Hour, older_than: timedelta | None, now: datetime
) -> bool:
    """Whether event time has passed an hour, or it ended so long ago by the clock."""
    if landing(lake, table, hour).is_complete:
        return True
    return older_than is not None and now - hour.end >= older_than


def compact_hour(lake: Path, table: LakeTable, hour: Hour, now: datetime) -> Compaction | None:
    """Compact what has landed of an hour; None if nothing has. Raises LakeError.

    Samples may land in an hour that is over, of events that come late: it is compacted again.
    """
    landed, whole = landing(lake, table, hour), compacted(lake, table, hour)
    # Before the files: the marker stands for what has landed by now, not for what lands later.
    is_complete = landed.is_complete
    files, old = landed.files(), whole.files()
    done = None
    if files:
        rows = _rows(landed, [*old, *files])
        kept = each_once(table, rows)
        whole.path.mkdir(parents=True, exist_ok=True)
        write_file(table, kept, whole.path / table.file_name)
        done = Compaction(
            table.name, str(hour), len(files), kept.num_rows, rows.num_rows - kept.num_rows
        )
    if is_complete and whole.path.is_dir():
        (whole.path / SUCCESS).touch()
    for file in files:
        file.unlink()
    _forget(landed, now)
    return done


def _rows(landed: HourFolder, files: list[Path]) -> Any:
    names = arrow_schema(landed.table).names
    try:
        return pa.concat_tables([read_file(landed.table, file, names) for file in files])
    except (OSError, pa.ArrowException) as error:
        raise LakeError(f"lake {landed.path}: {error}") from None


def _forget(landed: HourFolder, now: datetime) -> None:
    """Remove a landing folder in which nothing but its marker was left long ago."""
    if not landed.path.is_dir() or {path.name for path in landed.path.iterdir()} - {SUCCESS}:
        return
    if now.timestamp() - landed.path.stat().st_mtime >= FORGOTTEN.total_seconds():
        (landed.path / SUCCESS).unlink(missing_ok=True)
        # A file that lands at this moment keeps its folder.
        with suppress(OSError):
            landed.path.rmdir()
