"""Parquet files of the lake as Arrow tables: one schema, each row once."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from schemas.lake import LakeTable

_TYPES = {
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "TIMESTAMP": pa.timestamp("ms", tz="UTC"),
}
ROWS_IN_GROUP = 131_072


def arrow_schema(table: LakeTable) -> Any:
    """The Arrow schema of a table."""
    return pa.schema([(column.name, _TYPES[column.type]) for column in table.columns])


def read_file(table: LakeTable, file: Path, columns: Sequence[str], where: Any = None) -> Any:
    """Columns of the rows that an Arrow expression lets through.

    A column that the file does not have, being older, is null. Flink writes timestamps without a
    zone; here all are in UTC. Raises OSError or pa.ArrowException.
    """
    known, written = arrow_schema(table), pq.read_schema(file)
    as_written = [
        field.with_type(written.field(field.name).type) if field.name in written.names else field
        for field in known
    ]
    rows = ds.dataset(str(file), schema=pa.schema(as_written), format="parquet")
    wanted = pa.schema([known.field(name) for name in columns])
    return rows.to_table(columns=list(columns), filter=where).cast(wanted)


def each_once(table: LakeTable, rows: Any) -> Any:
    """The first row of each identity, in order."""
    numbered = rows.select(table.identity).append_column(
        "row", pa.array(np.arange(rows.num_rows, dtype=np.int64))
    )
    first = numbered.group_by(list(table.identity)).aggregate([("row", "min")])["row_min"]
    if len(first) == rows.num_rows:
        return rows
    keep = np.zeros(rows.num_rows, bool)
    keep[first.to_numpy()] = True
    return rows.filter(pa.array(keep))


def write_file(table: LakeTable, rows: Any, path: Path) -> None:
    """Replace a file by another at once, durably: a reader gets the one or the other, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(
        rows.cast(arrow_schema(table)),
        temporary,
        row_group_size=ROWS_IN_GROUP,
        compression="snappy",
        store_schema=False,
    )
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """So that the new name is on disk before what it replaces is deleted."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
