"""Small files of samples, as the events job lands them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.lake import SAMPLES, SUCCESS
from stores.lake.folders import Hour, landing
from stores.lake.parquet_files import arrow_schema

HOUR = Hour("2025-01-02", "07")
NOW = datetime(2025, 1, 2, 9, tzinfo=UTC)


def sample(number: int) -> dict[str, Any]:
    """A row; its number is its request."""
    row: dict[str, Any] = {
        "STRING": "x",
        "BYTES": b"\x00\xff",
        "INT": 1,
        "BIGINT": 2,
        "FLOAT": 0.5,
        "TIMESTAMP": HOUR.begin,
    }
    values = {column.name: row[column.type] for column in SAMPLES.columns}
    return {**values, "request_id": f"r{number}", "click_ts": None}


def land(lake: Path, name: str, *numbers: int, hour: Hour = HOUR, complete: bool = True) -> Path:
    """A file of an hour; like Flink's, its timestamps have no zone."""
    folder = landing(lake, SAMPLES, hour).path
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([sample(number) for number in numbers], arrow_schema(SAMPLES))
    naive = pa.schema(
        [
            field.with_type(pa.timestamp("ms")) if pa.types.is_timestamp(field.type) else field
            for field in table.schema
        ]
    )
    pq.write_table(table.cast(naive), folder / f".{name}")
    (folder / f".{name}").rename(folder / name)
    if complete:
        (folder / SUCCESS).touch()
    return folder
