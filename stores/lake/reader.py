"""All rows of a table of the lake: compacted hours and what is not compacted yet, each row once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.lake import LakeTable
from stores.lake.folders import HourFolder, LakeError, compacted, hours, landing
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
    if not lake.is_dir():
        raise LakeError(f"lake {lake}: no such folder")
    needed = list(dict.fromkeys([*table.identity, *columns]))
    parts = []
    for hour in hours(lake, table):
        # Landed files first: compaction moves rows from there to here and never back.
        rows = _read(landing(lake, table, hour), compacted(lake, table, hour), needed, where)
        parts.append(rows.select(columns))
        progress(sum(part.num_rows for part in parts))
    if not parts:
        raise LakeError(f"lake {lake}: no {table.name}, neither compacted nor in landing/")
    return pa.concat_tables(parts)


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
