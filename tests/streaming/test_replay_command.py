"""``python -m streaming replay``: what is refused before Flink is started."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from schemas.lake import IMPRESSIONS
from stores.lake.folders import Hour, compacted
from stores.lake.parquet_files import arrow_schema
from streaming.__main__ import app

HOUR = Hour.parse("2025-01-02T07")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """One compacted hour of no impressions."""
    folder = compacted(tmp_path / "lake", IMPRESSIONS, HOUR).path
    folder.mkdir(parents=True)
    nothing: pa.Table = arrow_schema(IMPRESSIONS).empty_table()
    pq.write_table(nothing, folder / IMPRESSIONS.file_name)
    return tmp_path / "lake"


def refused(*words: object) -> tuple[int, str]:
    """Exit code and what is said, in one line."""
    result = CliRunner().invoke(app, ["replay", *map(str, words)])
    return result.exit_code, " ".join(result.stderr.split())


def test_an_archive_is_needed(tmp_path: Path) -> None:
    code, said = refused("--into", tmp_path / "new", "--path", tmp_path)
    assert code == 1
    assert "no compacted impressions; CTR_STREAMING_ARCHIVE keeps them" in said


def test_the_new_lake_must_be_new(lake: Path, tmp_path: Path) -> None:
    code, said = refused("--into", tmp_path, "--path", lake)
    assert (code, "it exists already" in said) == (1, True)


def test_hours_must_be_some(lake: Path, tmp_path: Path) -> None:
    words = ("--into", tmp_path / "new", "--path", lake)
    code, said = refused(*words, "--from", "2025-01-02T08")
    assert (code, "--from 2025-01-02T08 is not before --until 2025-01-02T08" in said) == (1, True)
    code, said = refused(*words, "--until", "yesterday")
    assert (code, "yesterday is no hour" in said) == (2, True)
