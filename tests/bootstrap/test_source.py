"""Which history is meant, and one plain message for what cannot be meant."""

from pathlib import Path

import pytest

from bootstrap.log_sources import CRITEO_ROW_MS
from bootstrap.row_range import Rows
from bootstrap.source import Dataset, Source, SourceError
from online_model.datasets.text_table import DatasetError
from schemas.features import FeatureSpec
from schemas.settings import SettingsError
from stores.lake.folders import LakeError
from tests.bootstrap.small_logs import write_criteo, write_open_bandit

NOW_MS = 1_700_000_000_000
ALL = Rows()


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
