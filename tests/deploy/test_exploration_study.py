"""The exploration study in small: what policies find, and what that costs."""

import json

import pytest
from typer.testing import CliRunner

from deploy.exploration import study as played
from deploy.exploration.__main__ import app


def test_exploring_finds_good_new_ads_and_loses_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a small world, with one explored slot in ten, a short time is enough."""
    monkeypatch.setattr(played, "ADS", 100)
    monkeypatch.setattr(played, "NEW_ADS", 10)
    monkeypatch.setattr(played, "POLICIES", ("greedy", "thompson"))
    greedy, thompson = played.study(seed=1, requests=2_500, probability=0.5)
    assert greedy.explored == 0
    assert 0.05 < thompson.explored <= 0.1
    assert greedy.points[-1].found < 0.1
    assert thompson.points[-1].found > 0.5
    assert thompson.total_ctr > 0.9 * greedy.total_ctr
    for curve in (greedy, thompson):
        assert len(curve.points) == played.SLICES
        assert all(point.ctr < point.best for point in curve.points)


def test_the_command_prints_both_curves() -> None:
    result = CliRunner().invoke(app, ["--requests", "100", "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert list(report) == ["greedy", "epsilon_greedy", "ucb", "thompson"]
    assert report["greedy"]["ctr_over_greedy"] == 0
    assert report["ucb"]["curve"][-1]["requests"] == 100
    shown = CliRunner().invoke(app, ["--requests", "100"])
    assert "thompson" in shown.stdout
