"""Rows of a table of the lake, all or an hour's, compacted or not yet: each row once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.lake import LakeTable
from stores.lake.folders import Hour, HourFolder, LakeError, compacted, hours, landing
from stores.lake.parquet_files import arrow_schema, each_once, read_file

_ATTEMPTS = 5


def read_table(
    lake: Path,
    table: LakeTable,
    columns: Sequence[str],
    where: Any = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Any:
    """An Arrow table of rows in order of their hours; ``progress`` is told how many there are.

    Raises LakeError if there is no such table or a file cannot be read.
    """
    parts = []
    for hour in hours_of(lake, table):
        parts.append(read_hour(lake, table, hour, columns, where))
        progress(sum(part.num_rows for part in parts))
    return pa.concat_tables(parts)


def hours_of(lake: Path, table: LakeTable) -> list[Hour]:
    """The hours that there are of a table, at least one. Raises LakeError."""
    if not lake.is_dir():
        raise LakeError(f"lake {lake}: no such folder")
    found = hours(lake, table)
    if not found:
        raise LakeError(f"lake {lake}: no {table.name}, neither compacted nor in landing/")
    return found


def read_hour(
    lake: Path, table: LakeTable, hour: Hour, columns: Sequence[str], where: Any = None
) -> Any:
    """An Arrow table of one hour's rows. Raises LakeError if a file cannot be read."""
    needed = list(dict.fromkeys([*table.identity, *columns]))
    # Landed files first: compaction moves rows from there to here and never back.
    rows = _read(landing(lake, table, hour), compacted(lake, table, hour), needed, where)
    return rows.select(columns)


def _read(landed: HourFolder, whole: HourFolder, columns: Sequence[str], where: Any) -> Any:
    for attempt in range(1, _ATTEMPTS + 1):
        files = [*landed.files(), *whole.files()]
        try:
            parts = [read_file(landed.table, file, columns, where) for file in files]
        except FileNotFoundError:
            # Compacted in the meantime.
            if attempt == _ATTEMPTS:
                raise LakeError(f"lake {landed.path}: files vanish while they are read") from None
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"lake {landed.path}: {error}") from None
        else:
            break
    empty = arrow_schema(landed.table).empty_table().select(columns)
    return each_once(landed.table, pa.concat_tables([*parts, empty]))
