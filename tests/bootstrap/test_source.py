"""Which history is meant: rows A:B, and one plain message for what cannot be meant."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.lake import LakeError
from bootstrap.source import CRITEO_ROW_MS, Dataset, Rows, Source, SourceError
from online_model.datasets.text_table import DatasetError
from schemas.features import FeatureSpec
from schemas.settings import SettingsError
from tests.bootstrap.small_logs import logged_row, write_criteo, write_open_bandit

NOW_MS = 1_700_000_000_000
ALL = Rows()


@pytest.mark.parametrize(
    ("text", "rows", "count"),
    [
        ("", Rows(0, None), None),
        (":", Rows(0, None), None),
        ("7", Rows(0, 7), 7),
        (":7", Rows(0, 7), 7),
        ("3:", Rows(3, None), None),
        ("3:7", Rows(3, 7), 4),
    ],
)
def test_rows_are_read(text: str, rows: Rows, count: int | None) -> None:
    assert Rows.parse(text) == rows
    assert rows.count == count


@pytest.mark.parametrize("text", ["x", "1:x", "1:2:3", "1.5", "1-2"])
def test_rows_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(SourceError, match=rf"^--rows {text}: expected A:B, two row numbers$"):
        Rows.parse(text)


@pytest.mark.parametrize("text", ["0", "5:5", "7:3", "-1:4", "-3"])
def test_rows_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SourceError, match=rf"^--rows {text}: expected 0 ≤ A < B$"):
        Rows.parse(text)


@settings(deadline=None)
@given(st.integers(0, 12), st.none() | st.integers(1, 12))
def test_rows_are_those_of_a_slice(first: int, length: int | None) -> None:
    logged = [logged_row(number) for number in range(9)]
    end = None if length is None else first + length
    assert Rows(first, end).of(iter(logged)) == logged[first:end]


def test_rows_of_a_criteo_file(tmp_path: Path) -> None:
    path = write_criteo(tmp_path / "train.tsv", 40)
    log = Source("criteo", path, Rows(10, 25), 0).read(FeatureSpec.load("criteo"), NOW_MS)
    assert len(log) == 15
    assert log.ts_ms[0] == 10 * CRITEO_ROW_MS, "rows keep their times"
    assert log.late_share is None


def test_rows_of_an_open_bandit_file(tmp_path: Path) -> None:
    path = write_open_bandit(tmp_path, [0, 1, 0, 0, 1])
    log = Source("open-bandit", path, ALL, 0).read(FeatureSpec.load("open_bandit"), NOW_MS)
    assert log.labels.tolist() == [0, 1, 0, 0, 1]
    assert log.positions.tolist() == [1, 2, 3, 1, 2]
    assert log.late_share is None


def test_rows_of_the_world_end_now() -> None:
    told: list[int] = []
    source = Source("world", None, Rows(0, 300), label_wait_ms=2000)
    log = source.read(FeatureSpec.load("world"), NOW_MS, told.append)
    assert len(log) == sum(told) == 300
    assert NOW_MS - 10_000 < log.ts_ms.min() <= log.ts_ms.max() < NOW_MS
    assert (log.ts_ms[1:] >= log.ts_ms[:-1]).all()
    assert log.late_share is not None
    assert 0.1 < log.late_share < 0.8


def test_the_world_is_the_one_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    source, spec = Source("world", None, Rows(0, 50), 2000), FeatureSpec.load("world")
    first = source.read(spec, NOW_MS)
    monkeypatch.setenv("CTR_ADSERVER_SEED", "2")
    assert source.read(spec, NOW_MS).samples.tobytes() != first.samples.tobytes()
    monkeypatch.setenv("CTR_ADSERVER_SEED", "many")
    with pytest.raises(SettingsError, match="CTR_ADSERVER_SEED"):
        source.read(spec, NOW_MS)


@pytest.mark.parametrize(
    ("dataset", "rows", "said"),
    [
        ("criteo", ALL, "--dataset criteo needs --file"),
        ("open-bandit", ALL, "--dataset open-bandit needs --file"),
        ("lake", ALL, "--dataset lake needs --path"),
        ("lake", Rows(0, 5), "--rows: a lake is read as a whole"),
        ("world", Rows(5, None), "--rows: of the world, say how many: --rows N"),
    ],
)
def test_what_is_missing_is_named(dataset: Dataset, rows: Rows, said: str) -> None:
    with pytest.raises(SourceError, match=f"^{said}$"):
        Source(dataset, None, rows, 0).read(FeatureSpec.load("world"), NOW_MS)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    spec, path = FeatureSpec.load("criteo"), tmp_path / "no"
    with pytest.raises(SourceError, match=r"^--file .*no: no such file or folder$"):
        Source("criteo", path, ALL, 0).read(spec, NOW_MS)
    with pytest.raises(SourceError, match=r"^--path .*no: no such file or folder$"):
        Source("lake", path, ALL, 0).read(spec, NOW_MS)


def test_a_path_of_another_kind_is_named(tmp_path: Path) -> None:
    spec = FeatureSpec.load("criteo")
    file = write_criteo(tmp_path / "train.tsv", 3)
    with pytest.raises(DatasetError, match="cannot be read"):
        Source("criteo", tmp_path, ALL, 0).read(spec, NOW_MS)
    with pytest.raises(LakeError, match="no such folder"):
        Source("lake", file, ALL, 0).read(spec, NOW_MS)


def test_rows_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = write_criteo(tmp_path / "train.tsv", 10)
    with pytest.raises(SourceError, match="has no such rows"):
        Source("criteo", path, Rows(10, 20), 0).read(FeatureSpec.load("criteo"), NOW_MS)
