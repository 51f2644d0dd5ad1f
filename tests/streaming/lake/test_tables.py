"""The tables of the lake: one schema in Python, SQL and Parquet; anybody can read the files."""

import re
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from schemas.lake import CLICKS, IMPRESSIONS, SAMPLES, TABLES, LakeTable
from schemas.records import TrainingSample
from stores.lake.folders import Hour, LakeError, compacted, hours
from stores.lake.parquet_files import arrow_schema
from stores.lake.reader import read_table
from streaming.lake.compaction import compact_hour
from tests.streaming.lake.landed import HOUR, NOW, land, sample

DDL = {SAMPLES: "lake_sink", IMPRESSIONS: "lake_impressions", CLICKS: "lake_clicks"}
LATER = Hour("2025-01-03", "00")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Two compacted hours."""
    land(tmp_path, "part-0", 1, 2)
    land(tmp_path, "part-0", 3, hour=LATER)
    for hour in (HOUR, LATER):
        compact_hour(tmp_path, SAMPLES, hour, NOW)
    return tmp_path


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_sql_declares_the_same_columns(table: LakeTable) -> None:
    sql = (files("streaming") / "sql" / "events" / f"{DDL[table]}.sql").read_text()
    declared = re.findall(r"^  `?(\w+)`? ([A-Z_]+(?:\(3\))?),?$", sql, re.MULTILINE)
    types = {"TIMESTAMP": "TIMESTAMP_LTZ(3)"}
    expected = [(column.name, types.get(column.type, column.type)) for column in table.columns]
    assert declared == [*expected, ("day", "STRING"), ("hour", "STRING")]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_are_told_apart_and_filed_by_columns_that_exist(table: LakeTable) -> None:
    names = {column.name for column in table.columns}
    assert {*table.identity, table.hour_of} <= names
    assert all(column.meaning for column in table.columns)


def test_samples_are_the_records_of_the_topic() -> None:
    names = [column.name for column in SAMPLES.columns]
    assert names == list(TrainingSample.__dataclass_fields__)


def test_files_have_only_types_that_spark_knows(lake: Path) -> None:
    """No INT96, no nanoseconds, nothing nested, nothing required, no Arrow schema beside it."""
    (path,) = compacted(lake, SAMPLES, HOUR).files()
    written = pq.ParquetFile(path)
    found = {
        column.name: (column.physical_type, str(column.logical_type))
        for column in (written.schema.column(i) for i in range(len(written.schema)))
    }
    text, number = ("BYTE_ARRAY", "String"), "None"
    moment = "Timestamp(isAdjustedToUTC=true, timeUnit=milliseconds"
    kinds = {
        "STRING": text,
        "BYTES": ("BYTE_ARRAY", number),
        "INT": ("INT32", number),
        "BIGINT": ("INT64", number),
        "FLOAT": ("FLOAT", number),
    }
    for column in SAMPLES.columns:
        physical, logical = found[column.name]
        if column.type == "TIMESTAMP":
            assert physical == "INT64"
            assert logical.startswith(moment)
        else:
            assert (physical, logical) == kinds[column.type]
    columns = [written.schema.column(i) for i in range(len(written.schema))]
    assert {(each.max_definition_level, each.max_repetition_level) for each in columns} == {(1, 0)}
    assert written.metadata.metadata is None
    assert written.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_duckdb_reads_hours_as_columns(lake: Path) -> None:
    rows = duckdb.sql(
        f"""
        SELECT day::VARCHAR, hour::INT, request_id, epoch_ms(ts), inputs, click_ts, typeof(ts)
        FROM read_parquet('{lake}/samples/*/*/*.parquet', hive_partitioning = true)
        ORDER BY request_id
        """
    ).fetchall()
    ts = round(HOUR.begin.timestamp() * 1_000)
    shared = (ts, sample(1)["inputs"], None, "TIMESTAMP WITH TIME ZONE")
    assert rows == [
        ("2025-01-02", 7, "r1", *shared),
        ("2025-01-02", 7, "r2", *shared),
        ("2025-01-03", 0, "r3", *shared),
    ]


def test_pyarrow_reads_only_the_hours_that_are_asked_for(lake: Path) -> None:
    samples = ds.dataset(lake / "samples", partitioning="hive")
    rows = samples.to_table(filter=ds.field("day") == "2025-01-03")
    assert rows["request_id"].to_pylist() == ["r3"]
    assert rows.schema.field("label_ts").type == arrow_schema(SAMPLES).field("label_ts").type


def test_hours(lake: Path) -> None:
    assert hours(lake, SAMPLES) == [HOUR, LATER]
    assert hours(lake, CLICKS) == []
    assert Hour.parse("2025-01-02T07") == Hour.of(HOUR.begin) == HOUR
    assert str(Hour.of(HOUR.end)) == "2025-01-02T08"
    with pytest.raises(LakeError, match="no clicks, neither compacted nor in landing/"):
        read_table(lake, CLICKS, ["ts"])
    (lake / "samples" / "day=2025-01-02" / "hour=99").mkdir()
    with pytest.raises(LakeError, match="2025-01-02T99 is no hour"):
        hours(lake, SAMPLES)


def test_a_column_that_a_file_does_not_have_is_null(lake: Path) -> None:
    (path,) = compacted(lake, SAMPLES, HOUR).files()
    pq.write_table(pq.read_table(path).drop_columns(["variant"]), path)
    rows = read_table(lake, SAMPLES, ["request_id", "variant"]).to_pylist()
    assert {row["request_id"]: row["variant"] for row in rows} == {
        "r1": None,
        "r2": None,
        "r3": "x",
    }
