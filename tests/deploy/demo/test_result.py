"""From the numbers of a run to its verdict, its JSON and its picture."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from deploy.demo import picture, verdict, view
from deploy.demo.accounting import Accounts
from deploy.demo.report import Kill, Report
from deploy.demo.watch import Sight
from deploy.scrape import Histogram
from streaming.adserver.summary import Latency, PlaySummary
from streaming.adserver.validation import CalibrationBin, Scores, Validation, Window

GOOD = Scores(log_loss=0.40, auc=0.75, pcoc=1.01)
WORSE = Scores(log_loss=0.50, auc=0.60, pcoc=0.80)
CONSTANT = Scores(log_loss=0.55, auc=0.50, pcoc=None)
VALIDATION = Validation(1_000, 200, GOOD, CONSTANT, WORSE, entropy=0.38, truth_error=0.2)
HISTOGRAM = Histogram((0.5, 1.0, float("inf")), (10.0, 99.0, 100.0))
PLAY = PlaySummary(
    source="world",
    seed=1,
    seconds=60.0,
    asked=1_000,
    answered=1_000,
    unanswered={},
    rungs={"FULL": 1_000},
    sent={"impressions": 5_000, "clicks": 900, "ads": 10, "users": 5},
    clicks_not_sent=0,
    model_version="v1",
    latency=Latency(1_000, 2.0, 3.0, 5.0, [1.0, 2.0, 4.0], [500, 500]),
    validation=VALIDATION,
    curve=[Window(500, GOOD, CONSTANT, WORSE), Window(1_000, GOOD, CONSTANT, WORSE)],
    calibration=[CalibrationBin(500, 0.1, 0.11, 0.1), CalibrationBin(500, 0.4, 0.39, 0.41)],
    report={"regret": 0.2},
)
SIGHT = Sight(
    at=1.0,
    records={"impressions": 5_000},
    kinds={"POSITIVE": 900, "NEGATIVE": 4_100},
    events_per_second=400.0,
    asked=1_000,
    answered=1_000,
    model_version="v1",
    rows_applied=77.0,
    samples_learnt=5_000,
    click_to_counter=HISTOGRAM,
    click_to_score=HISTOGRAM,
    request_seconds=HISTOGRAM,
    total=VALIDATION,
    recent=VALIDATION,
)
ACCOUNTS = Accounts(
    impressions_sent=5_000,
    impressions_in_kafka=5_000,
    positives=900,
    negatives=4_100,
    corrections=0,
    impressions_refused=0,
    clicks_sent=900,
    clicks_in_kafka=900,
    clicks_matched=900,
    clicks_refused=0,
    clicks_repeated=0,
    samples=5_000,
    samples_repeated=0,
    samples_learnt=5_000,
    dead_letter_reasons={"orphan-click": 3},
    faults=[],
)


def _failures(
    play: PlaySummary = PLAY,
    accounts: Accounts = ACCOUNTS,
    sight: Sight = SIGHT,
    kill: Kill | None = None,
    kill_wanted: bool = False,
) -> list[str]:
    return verdict.failures(
        play,
        accounts,
        sight,
        kill,
        kill_wanted=kill_wanted,
        learnable=True,
        expected_reasons={"orphan-click"},
    )


def test_a_good_run_has_no_failures() -> None:
    assert _failures() == []
    assert _failures(kill=Kill("learning", 10.0, 9.0), kill_wanted=True) == []


@pytest.mark.parametrize(
    ("failures", "part"),
    [
        (_failures(accounts=replace(ACCOUNTS, faults=["3 lost"])), "accounting: 3 lost"),
        (
            _failures(accounts=replace(ACCOUNTS, dead_letter_reasons={"forged-token": 2})),
            "events job: unexpected dead-letters: forged-token 2",
        ),
        (
            _failures(play=replace(PLAY, answered=900, unanswered={"UNAVAILABLE": 100})),
            "scorer: 100 of 1,000 requests unanswered (UNAVAILABLE 100)",
        ),
        (
            _failures(play=replace(PLAY, validation=replace(VALIDATION, frozen=GOOD))),
            "learning: log loss 0.4000 is no better than that of the model that never learnt",
        ),
        (_failures(play=replace(PLAY, validation=None)), "learning: nothing to compare with"),
        (_failures(sight=replace(SIGHT, click_to_score=None)), "learning job or scorer: no click"),
        (_failures(sight=replace(SIGHT, click_to_counter=None)), "events job: no click"),
        (_failures(kill_wanted=True), "learning job: it never learnt enough to be killed"),
        (_failures(kill=Kill("learning", 9.0, None)), "learning job: not ready again"),
        (_failures(play=replace(PLAY, clicks_not_sent=2)), "ad server: stopped"),
    ],
)
def test_what_failed_is_named(failures: list[str], part: str) -> None:
    assert len(failures) == 1
    assert failures[0].startswith(part)


def _report() -> Report:
    return Report("world", {"play": 60.0}, PLAY, SIGHT, ACCOUNTS, Kill("learning", 9.0, 8.0), ["x"])


def test_the_report_is_json_and_a_screen() -> None:
    value = json.loads(json.dumps(_report().as_json(), allow_nan=False))
    assert value["ok"] is False
    assert value["freshness"]["click_to_score"]["count"] == 100
    assert value["accounts"]["impressions_sent"] == 5_000
    console = Console(width=160, record=True, file=StringIO())
    console.print(_report().screen())
    text = console.export_text()
    for part in ("log loss 0.4000", "5,000", "p99 ≤ 5 s: met", "learning killed", "FAILED x"):
        assert part in text


def test_an_empty_report_is_json_too() -> None:
    assert json.loads(json.dumps(Report("world").as_json()))["play"] is None


def test_the_live_view_and_the_line_say_the_same() -> None:
    console = Console(width=200, record=True, file=StringIO())
    console.print(view.panel("world", SIGHT, ["killed"]))
    text = console.export_text()
    for fact in ("400", "positive 900", "0.3800", "killed"):
        assert fact in text
    assert "frozen 0.5000" in view.line(SIGHT)


@pytest.mark.parametrize("play", [PLAY, replace(PLAY, validation=None, curve=[], latency=None)])
def test_the_picture_is_a_png(tmp_path: Path, play: PlaySummary) -> None:
    path = tmp_path / "demo.png"
    picture.draw(play, path)
    assert path.read_bytes().startswith(b"\x89PNG")
