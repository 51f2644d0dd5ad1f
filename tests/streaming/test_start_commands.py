"""start, restore and rescale where nothing runs: messages and exit codes.

What they do on a real cluster is in jobs/test_golden_savepoints.py.
"""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.local.ports import HOST, free_ports
from streaming.start_commands import app

RESCALE = ["rescale", "events", "--parallelism", "2"]


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CTR_STREAMING_DATA", str(tmp_path))


def _run(*arguments: str) -> tuple[Result, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return result, re.sub(r"[\s│]+", " ", result.stderr)


@pytest.mark.parametrize("command", [["start", "events"], ["restore", "events"], RESCALE])
def test_a_job_with_its_own_cluster_is_its_process(command: list[str]) -> None:
    result, message = _run(*command)
    assert result.exit_code == 2
    assert "--cluster" in message
    assert "`python -m streaming events`" in message


@pytest.mark.parametrize("url", ["localhost:8081", "ftp://localhost:1", "http://localhost"])
def test_a_cluster_is_a_url_with_a_port(url: str) -> None:
    result, message = _run("start", "events", "--cluster", url)
    assert result.exit_code == 1
    assert "CTR_STREAMING_CLUSTER" in message


def test_restore_needs_something_to_go_on_from(tmp_path: Path) -> None:
    cluster = ("--cluster", "http://localhost:1")
    result, message = _run("restore", "events", *cluster)
    assert result.exit_code == 1
    assert "events has no checkpoint or savepoint in" in message
    result, message = _run("restore", "events", "--from", str(tmp_path), *cluster)
    assert result.exit_code == 1
    assert "it has no file _metadata" in message


def test_rescale_needs_a_running_job(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("CTR_STREAMING_CLUSTER", f"http://{HOST}:{port}")
    result, message = _run(*RESCALE)
    assert result.exit_code == 1
    assert f"no Flink answers at http://{HOST}:{port}" in message
