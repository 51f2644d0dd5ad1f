"""Backtest on small files: frozen and progressive, a market that falls, positions, real logs."""

from pathlib import Path
from typing import Any

import pytest

from bootstrap.log_backtest import LogBacktest, StreamLabels
from bootstrap.log_sources import LOGS, LogName
from bootstrap.log_split import LogFiles
from bootstrap.row_range import Rows
from bootstrap.settings import BootstrapSettings
from online_model.network.model import Architecture
from online_model.settings import OnlineModelSettings
from online_model.training.trainer import HistoryError
from schemas.features import FeatureSpec
from tests.bootstrap.small_logs import write_criteo

ONE_AND_TWO, THREE = frozenset({1, 2}), frozenset({3})
AT_ONCE = StreamLabels()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 rows in blocks of 500."""
    return write_criteo(tmp_path_factory.mktemp("criteo") / "train.tsv.gz", 1500, block_rows=500)


def report(
    train: LogFiles,
    test: LogFiles,
    architecture: Architecture,
    progressive: bool = False,
    stream: StreamLabels = AT_ONCE,
    name: LogName = "criteo",
    features: str | None = None,
) -> dict[str, Any]:
    log, settings = LOGS[name], OnlineModelSettings()
    spec = FeatureSpec.load(features or log.features)
    backtest = LogBacktest(
        log, spec, architecture, settings, BootstrapSettings(), progressive, stream
    )
    return backtest.run(train, test, lambda rows: None)


@pytest.mark.parametrize("architecture", ["lr", "deepfm"])
def test_what_is_there_to_find_is_found(log: Path, architecture: Architecture) -> None:
    got = report(LogFiles([log], ONE_AND_TWO), LogFiles([log], THREE), architecture)
    assert (got["model"], got["train_rows"], got["rows"]) == (architecture, 1000, 500)
    assert got["auc"] > 0.7
    assert got["pr_auc"] > 0.5
    assert got["pcoc"] == pytest.approx(1.0, abs=0.2)
    assert 0 < got["ece"] < 0.15
    assert 0 < got["field_ece"] < 0.3
    assert got["logloss"] < got["constant_logloss"]
    assert got["peak_memory_mb"] > 50
    assert not any(name.startswith("frozen_") for name in got)
    assert "by_position" not in got


def test_progressive_tells_the_frozen_model_too(log: Path) -> None:
    train, test = LogFiles([log], ONE_AND_TWO), LogFiles([log], THREE)
    frozen = report(train, test, "lr", features="criteo")
    at_once = report(train, test, "lr", progressive=True, features="criteo")
    stream = StreamLabels(True, 50)
    late = report(train, test, "lr", progressive=True, stream=stream, features="criteo")
    for name in ("auc", "pr_auc", "logloss", "pcoc", "ece", "field_ece"):
        assert at_once[f"frozen_{name}"] == late[f"frozen_{name}"] == frozen[name]
    assert len({got["logloss"] for got in (frozen, at_once, late)}) == 3
    assert at_once["auc"] > 0.65
    assert 0 < late["late_click_share"] < 1
    assert "late_click_share" not in at_once


def test_a_test_without_clicks_has_no_ranking(log: Path) -> None:
    none = StreamLabels(thin_clicks=0.0)
    got = report(LogFiles([log], ONE_AND_TWO), LogFiles([log], THREE), "lr", stream=none)
    assert got["rows"] == 500
    assert (got["auc"], got["pr_auc"], got["pcoc"]) == (None, None, None)
    assert got["logloss"] > 0
    assert (got["test_rate"], got["train_rate"] > 0.3) == (0.0, True)


def test_too_few_rows_are_refused(log: Path, tmp_path: Path) -> None:
    few = LogFiles([write_criteo(tmp_path / "few.tsv", 20)])
    with pytest.raises(HistoryError, match="history has 20 rows"):
        report(few, LogFiles([log]), "lr")


def test_a_model_that_goes_on_learning_follows_a_falling_market(shared_data: Path) -> None:
    """Well below a constant that knows the rate before the fall, and below the frozen model."""
    file = shared_data / "ipinyou" / "train.csv.gz"
    train = LogFiles([file], None, Rows.parse(":50%"))
    test = LogFiles([file], None, Rows.parse("50%:"))
    stream = StreamLabels(thin_clicks=0.25)
    got = report(train, test, "lr", progressive=True, stream=stream, name="ipinyou")
    assert got["logloss"] < 0.85 * min(got["constant_logloss"], got["frozen_logloss"])
    assert got["pcoc"] < 2 < 3 < got["frozen_pcoc"]


def test_position_explains_clicks_and_is_taken_out(shared_data: Path) -> None:
    folder = shared_data / "tiangong"
    train = LogFiles([folder / "train_per_query_quid.txt"], None, Rows.parse(":12000"))
    test = LogFiles([folder / "valid_per_query_quid.txt"])
    got = report(train, test, "lr", name="tiangong")
    table = got["by_position"]
    assert [row["position"] for row in table] == list(range(1, 11))
    assert table[0]["observed"] > 3 * table[4]["observed"]
    for row in table:
        assert row["predicted"] == pytest.approx(row["observed"], abs=0.06)
        assert row["predicted_as_first"] == pytest.approx(table[0]["predicted"], rel=0.2)
    assert got["kendall_tau_as_shown"] > 0.8
    assert abs(got["kendall_tau_as_first"]) < 0.2
