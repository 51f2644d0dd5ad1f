"""The operator's commands when nothing runs: exit code, message, one JSON object.

What they do to a running job is in jobs/test_restarts.py.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy.local.ports import HOST, free_ports
from streaming.flink_rest import Checkpoints
from streaming.operate import app, is_fresh
from streaming.settings import JobName, StreamingSettings

GOLDEN_EVENTS = Path(__file__).resolve().parents[1] / "golden" / "savepoints" / "events"


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Ports by job, on which nobody listens."""
    by_job = dict(zip(JobName, free_ports(len(JobName)), strict=True))
    for job, port in by_job.items():
        monkeypatch.setenv(f"CTR_STREAMING_REST_PORT_{job.upper()}", str(port))
    return {str(job): port for job, port in by_job.items()}


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def _object(result: Result) -> dict[str, Any]:
    (line,) = result.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def _message(result: Result) -> str:
    return re.sub(r"\s+", " ", result.stderr)


def test_list_shows_both_jobs(ports: dict[str, int]) -> None:
    result = _run("list", "--json")
    assert result.exit_code == 0
    assert _object(result) == {
        "jobs": [
            {"name": name, "url": f"http://{HOST}:{port}", "healthy": False, "state": "UNREACHABLE"}
            for name, port in ports.items()
        ]
    }
    table = _run("list").stdout
    assert all(name in table for name in ports)


def test_check_fails(ports: dict[str, int]) -> None:
    result = _run("check", "events", "--json")
    assert result.exit_code == 1
    answer = _object(result)
    assert (answer["name"], answer["state"], answer["healthy"]) == ("events", "UNREACHABLE", False)
    assert _run("check", "events").stdout == "events: UNREACHABLE\n"


@pytest.mark.parametrize("command", [["stop"], ["stop", "--drain"], ["savepoint"]])
def test_nothing_to_stop_is_a_message(ports: dict[str, int], command: list[str]) -> None:
    result = _run(*command, "events", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"no Flink answers at http://{HOST}:{ports['events']}" in _message(result)


def test_a_wrong_setting_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_STREAMING_BATCH_MS", "1")
    for command in (["list"], ["check", "events"], ["stop", "events"]):
        result = _run(*command)
        assert result.exit_code == 1
        assert "CTR_STREAMING_BATCH_MS" in _message(result)


def test_an_unknown_job_is_refused() -> None:
    result = _run("check", "evnets")
    assert result.exit_code == 2
    assert all(f"'{name}'" in result.stderr for name in JobName)


@pytest.mark.parametrize(
    ("age_seconds", "fresh"), [(None, False), (1, True), (290, True), (310, False)]
)
def test_a_job_whose_checkpoints_have_stopped_is_not_healthy(
    age_seconds: float | None, fresh: bool
) -> None:
    newest_ms = None if age_seconds is None else int(1000 * (time.time() - age_seconds))
    checkpoints = Checkpoints(9, 3, "file:/chk-9", newest_ms, 1, None)
    assert is_fresh(checkpoints, StreamingSettings(checkpoint_ms=30_000)) is fresh


def test_a_declaration_of_features_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CTR_FEATURES", "nowhere.yaml")
    result = _run("check", "events", "--savepoint", str(GOLDEN_EVENTS))
    assert result.exit_code == 1
    assert "nowhere.yaml" in _message(result)
