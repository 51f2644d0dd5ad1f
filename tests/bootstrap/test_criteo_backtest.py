"""Backtest on a small file in Criteo's format, frozen and progressive."""

from pathlib import Path
from typing import Any

import pytest

from bootstrap.criteo_backtest import CriteoBacktest, CriteoFiles
from bootstrap.settings import BootstrapSettings
from bootstrap.source import CRITEO_ROW_MS, SourceError
from online_model.model import Architecture
from online_model.settings import OnlineModelSettings
from online_model.trainer import HistoryError
from schemas.features import FeatureSpec
from tests.bootstrap.small_logs import write_criteo

SPEC = FeatureSpec.load("criteo")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 rows in blocks of 500."""
    return write_criteo(tmp_path_factory.mktemp("criteo") / "train.tsv.gz", 1500, block_rows=500)


def report(
    train: CriteoFiles, test: CriteoFiles, architecture: Architecture, progressive: bool = False
) -> dict[str, Any]:
    backtest = CriteoBacktest(
        SPEC, architecture, OnlineModelSettings(), BootstrapSettings(), progressive, lag_rows=50
    )
    return backtest.run(train, test, lambda rows: None)


@pytest.mark.parametrize("architecture", ["lr", "deepfm"])
def test_what_is_there_to_find_is_found(log: Path, architecture: Architecture) -> None:
    got = report(CriteoFiles([log], {1, 2}), CriteoFiles([log], {3}), architecture)
    assert (got["model"], got["train_rows"], got["rows"]) == (architecture, 1000, 500)
    assert got["auc"] > 0.7
    assert got["pr_auc"] > 0.5
    assert got["pcoc"] == pytest.approx(1.0, abs=0.2)
    assert 0 < got["ece"] < 0.15
    assert got["logloss"] < 0.65
    assert got["peak_memory_mb"] > 50
    assert not any(name.startswith("frozen_") for name in got)


def test_progressive_tells_the_frozen_model_too(log: Path) -> None:
    train, test = CriteoFiles([log], {1, 2}), CriteoFiles([log], {3})
    frozen, live = report(train, test, "lr"), report(train, test, "lr", progressive=True)
    for name in ("auc", "logloss", "pcoc", "ece"):
        assert live[f"frozen_{name}"] == frozen[name]
    assert live["logloss"] != frozen["logloss"]
    assert live["auc"] > 0.65
    assert 0 < live["late_click_share"] < 1


def test_files_follow_each_other(log: Path, tmp_path: Path) -> None:
    second = write_criteo(tmp_path / "second.tsv", 120, seed=3)
    told: list[int] = []
    both = CriteoFiles([second, log], blocks=None).encoded(SPEC, told.append)
    assert len(both) == sum(told) == 1620
    alone = CriteoFiles([second], blocks=None).encoded(SPEC, told.append)
    assert both.samples[:120].tobytes() == alone.samples.tobytes()
    assert both.ts_ms[1] - both.ts_ms[0] == CRITEO_ROW_MS
    assert (both.ts_ms[1:] > both.ts_ms[:-1]).all(), "in order of time"


def test_no_rows_and_too_few_rows_are_refused(log: Path, tmp_path: Path) -> None:
    everything = CriteoFiles([log], None)
    with pytest.raises(SourceError, match=r"^no rows: no such blocks in the files$"):
        report(everything, CriteoFiles([log], {9}), "lr")
    few = CriteoFiles([write_criteo(tmp_path / "few.tsv", 20)], None)
    with pytest.raises(HistoryError, match="history has 20 rows"):
        report(few, everything, "lr")


def test_a_test_without_clicks_has_no_ranking(log: Path, tmp_path: Path) -> None:
    path = write_criteo(tmp_path / "test.tsv", 40)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    kept = ["\t".join(cells) for cells in lines if cells[2] != "1"]
    path.write_text("\n".join(kept) + "\n")
    got = report(CriteoFiles([log], {1}), CriteoFiles([path], None), "lr")
    assert got["rows"] == len(kept) - 1
    assert (got["auc"], got["pr_auc"], got["pcoc"]) == (None, None, None)
    assert got["logloss"] > 0
