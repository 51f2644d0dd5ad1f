"""The drill's ad server: started again when it dies, given up with its last words."""

import sys
import time
from pathlib import Path

import pytest

from deploy.drill.traffic import RESTARTS, Traffic, TrafficEnded


def test_an_ad_server_that_dies_is_started_again_and_then_given_up(tmp_path: Path) -> None:
    told: list[str] = []
    code = "print('no scorer answers', flush=True); raise SystemExit(3)"
    traffic = Traffic({}, tmp_path / "log", told.append, (sys.executable, "-c", code))
    traffic(True)
    with pytest.raises(TrafficEnded, match="ended with 3, again after 3 restarts") as given_up:
        _keep_up(traffic, seconds=60)
    assert "no scorer answers" in str(given_up.value)
    assert len(told) == traffic.restarts == RESTARTS
    assert "no scorer answers" in told[0]


def test_one_that_is_switched_off_is_left_alone(tmp_path: Path) -> None:
    told: list[str] = []
    traffic = Traffic({}, tmp_path / "log", told.append, (sys.executable, "-c", "input()"))
    traffic.keep_up()
    traffic(True)
    traffic(False)
    traffic.keep_up()
    assert told == []


def _keep_up(traffic: Traffic, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        traffic.keep_up()
        time.sleep(0.02)
