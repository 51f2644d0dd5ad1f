"""What the lake holds: files, rows and bytes of every hour."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.lake import TABLES
from stores.lake.folders import LakeError, compacted, hours, landing


@dataclass(frozen=True, slots=True)
class HourContents:
    """``landed`` files wait for compaction; ``rows`` counts repetitions among them.

    ``complete``: event time has passed the hour.
    """

    table: str
    hour: str
    files: int
    landed: int
    rows: int
    bytes: int
    complete: bool


def contents(lake: Path) -> Iterator[HourContents]:
    """Of every table and hour, in order. Raises LakeError."""
    if not lake.is_dir():
        raise LakeError(f"lake {lake}: no such folder")
    for table in TABLES:
        for hour in hours(lake, table):
            landed, whole = landing(lake, table, hour), compacted(lake, table, hour)
            waiting = landed.files()
            files = [*whole.files(), *waiting]
            try:
                rows = sum(pq.read_metadata(file).num_rows for file in files)
                size = sum(file.stat().st_size for file in files)
            except (OSError, pa.ArrowException) as error:
                raise LakeError(f"lake {whole.path}: {error}") from None
            yield HourContents(
                table.name,
                str(hour),
                len(files),
                len(waiting),
                rows,
                size,
                landed.is_complete or whole.is_complete,
            )
