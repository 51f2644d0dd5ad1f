"""``experiment-report`` on a lake whose arms have known figures."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from schemas.lake import SAMPLES, SUCCESS
from scorer.__main__ import app
from scorer.experiments.arms import Arms
from scorer.experiments.logged import read_logged
from scorer.experiments.report import Report, ReportError
from stores.lake.folders import Hour, compacted
from stores.lake.parquet_files import arrow_schema, write_file

HOUR_MS = 3_600_000
START = Hour.parse("2026-01-01T00")
FIRST_MS = int(START.begin.timestamp() * 1000)
#: Probability of a click of an arm's greedy choice; an explored one has half of it.
CTRS = {"popular": 0.10, "main": 0.20}
EPSILON, EXPLORED_PROPENSITY = 0.2, 0.02
PRICE = 500_000
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 users, ten impressions each; of negatives every second is left out; some clicks are
    corrections of a negative, an hour later."""
    random = np.random.default_rng(2)
    folder: Path = tmp_path_factory.mktemp("lake")
    hours: tuple[list[dict[str, Any]], ...] = ([], [])
    for user in range(2_000):
        arm = "main" if user % 2 else "popular"
        for number in range(10):
            explored = arm == "main" and random.random() < EPSILON
            clicked = random.random() < CTRS[arm] * (0.5 if explored else 1.0)
            late = clicked and random.random() < 0.2
            row = {
                "request_id": f"{user}-{number}",
                "ad_id": "a",
                "user_id": f"u{user}",
                "ts": FIRST_MS + number,
                "position": 1,
                "price": PRICE,
                "variant": arm,
                "model_version": "v",
                "predicted_ctr": CTRS[arm],
                "propensity": EXPLORED_PROPENSITY if explored else 1 - EPSILON * (arm == "main"),
                "feature_fingerprint": "f",
                "inputs": b"",
                "label_ts": FIRST_MS + 100,
            }
            first = row | {"kind": "NEGATIVE", "label": 0, "sample_weight": 2.0, "click_ts": None}
            if clicked:
                click = {"label": 1, "sample_weight": 1.0, "click_ts": FIRST_MS + 50}
                if late:
                    later = {"kind": "CORRECTION", "label_ts": FIRST_MS + HOUR_MS}
                    hours[1].append(row | click | later)
                else:
                    hours[0].append(row | click | {"kind": "POSITIVE"})
            if (late or not clicked) and random.random() < 0.5:
                hours[0].append(first)
    for number, rows in enumerate(hours):
        hour = Hour.of(START.begin + number * timedelta(hours=1))
        path = compacted(folder, SAMPLES, hour).path
        path.mkdir(parents=True)
        schema = arrow_schema(SAMPLES)
        table = pa.Table.from_pylist(rows, schema=schema)
        write_file(SAMPLES, table, path / SAMPLES.file_name)
        (path / SUCCESS).touch()
    return folder


def run(*arguments: object) -> Any:
    """The JSON object of a run that succeeds; nothing else is on stdout."""
    result = CliRunner().invoke(app, ["experiment-report", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_figures_by_arm(lake: Path, tmp_path: Path) -> None:
    arms = tmp_path / "arms.yaml"
    arms.write_text(
        "salt: s\narms:\n- {name: popular, share: 0.5, model: popularity}\n"
        "- {name: main, share: 0.5, model: deepfm}\n"
    )
    report = run("--lake", lake, "--arms", arms)
    assert report["baseline"] == "popular"
    truths = {"popular": 0.1, "main": 0.2 * (1 - EPSILON / 2)}
    for name, truth in truths.items():
        arm = report["arms"][name]
        assert arm["users"] == 1_000
        assert arm["impressions"] == pytest.approx(10_000, rel=0.05)
        assert arm["clicks"] == pytest.approx(10_000 * truth, rel=0.1)
        assert arm["ctr"]["low"] < truth < arm["ctr"]["high"]
        assert arm["ctr"]["high"] - arm["ctr"]["low"] < 0.03
        rpm = 1_000 * truth * PRICE / 1e6
        assert arm["rpm"]["low"] < rpm < arm["rpm"]["high"]
    lift = report["arms"]["main"]["ctr_lift"]
    assert lift["low"] < 0.8 < lift["high"]
    assert report["arms"]["popular"]["ctr_lift"] is None
    assert report["share_mismatch_p"] == pytest.approx(1.0)
    arms.write_text(arms.read_text().replace("share: 0.5", "share: 0.4", 1).replace("0.5", "0.6"))
    assert run("--lake", lake, "--arms", arms)["share_mismatch_p"] < 1e-6


def test_the_policy_without_exploration_is_estimated(lake: Path) -> None:
    found = [
        item
        for item in run("--lake", lake)["off_policy"]
        if (item["arm"], item["target"]) == ("main", "greedy")
    ]
    assert {item["method"] for item in found} == {"ips", "snips", "doubly_robust"}
    for item in found:
        truth = CTRS["main"] * (1 if item["reward"] == "click" else PRICE / 1e6)
        assert item["low"] < truth < item["high"]
        assert (item["high"] - item["low"]) / truth < 0.15
        # 8,000 of them are greedy; that negatives were left out costs, too.
        assert 4_000 < item["effective_impressions"] < 8_500


def test_a_policy_from_a_file(lake: Path, tmp_path: Path) -> None:
    """It is the greedy one again, with its propensities told; without rows it is worth nothing."""
    names = [f"{user}-{number}" for user in range(1, 2_000, 2) for number in range(10)]
    columns: dict[str, Any] = {
        "request_id": names,
        "ad_id": ["a"] * len(names),
        "probability": [1 - EPSILON] * len(names),
    }
    path = tmp_path / "same.parquet"
    pq.write_table(pa.table(columns), path)
    report = run("--lake", lake, "--target", path)
    kinds = {(i["arm"], i["method"]): i for i in report["off_policy"] if i["target"] == path.name}
    assert kinds["popular", "ips"]["value"] == 0
    assert kinds["main", "doubly_robust"]["value"] is None
    columns.pop("probability")
    pq.write_table(pa.table(columns), path)
    result = CliRunner().invoke(
        app, ["experiment-report", "--lake", str(lake), "--target", str(path)]
    )
    assert result.exit_code == 1
    assert "probability" in result.stderr


def test_what_cannot_be_reported_is_said(lake: Path, tmp_path: Path) -> None:
    for arguments, named in (
        (["--lake", tmp_path / "none"], "no such folder"),
        (["--lake", lake, "--baseline", "x"], "expected one of main, popular"),
        (["--lake", lake, "--since", "2026-02-01T00:00:00"], "no labelled impressions"),
        (["--lake", lake, "--target", tmp_path / "none"], "no Parquet file"),
    ):
        result = CliRunner().invoke(app, ["experiment-report", *map(str, arguments)])
        assert result.exit_code == 1
        assert named in result.stderr


def test_without_a_known_chance_nothing_is_estimated(lake: Path, tmp_path: Path) -> None:
    """An arm that explores more often than not: who was ranked cannot be told by the propensity."""
    logged = read_logged(lake, None, None)
    path = tmp_path / "arms.yaml"
    path.write_text(
        "salt: s\narms:\n- name: main\n  share: 1\n  model: m\n"
        "  exploration: {policy: ucb, probability: 0.5}\n"
    )
    report = Report.of(logged, "", Arms.load(path), None)
    assert {item.arm for item in report.off_policy} == {"popular"}
    logged.propensities[3] = 0.0
    with pytest.raises(ReportError, match=f"propensity: .*a of {logged.request_ids[3]}"):
        Report.of(logged, "", None, None)


def test_tables_are_shown(lake: Path) -> None:
    result = CliRunner().invoke(app, ["experiment-report", "--lake", str(lake)])
    assert result.exit_code == 0
    assert "main" in result.stdout
    assert "snips" in result.stdout
