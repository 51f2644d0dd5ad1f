"""Which savepoints and checkpoints are of no use any more."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streaming.__main__ import app
from streaming.prune import old_runs, old_savepoints
from streaming.settings import JobName, StreamingSettings


def write(folder: Path, written: int, metadata: bytes = b"x") -> Path:
    folder.mkdir(parents=True)
    file = folder / "_metadata"
    file.write_bytes(metadata)
    os.utime(file, (written, written))
    return folder


def test_the_newest_savepoints_stay(tmp_path: Path) -> None:
    settings = StreamingSettings(data=tmp_path)
    folder = settings.savepoints(JobName.EVENTS)
    saved = [write(folder / f"savepoint-{n}", 10 - n) for n in range(4)]
    write(folder / "savepoint-of-a-full-disk", 20, b"")
    (folder / "savepoint-unfinished").mkdir()
    assert old_savepoints(JobName.EVENTS, settings, 2) == saved[2:]
    assert old_savepoints(JobName.EVENTS, settings, 9) == []


def test_runs_that_nothing_goes_on_from_are_old(tmp_path: Path) -> None:
    write(tmp_path / "left" / "chk-7", 1)
    write(tmp_path / "running" / "chk-1", 2)
    write(tmp_path / "claimed-by-claimed" / "chk-2", 3)
    write(tmp_path / "claimed" / "chk-4", 4, b"file:/c/claimed-by-claimed/shared/a")
    write(tmp_path / "newest" / "chk-8", 5, b"file:/c/claimed/shared/b")
    (tmp_path / "beginning").mkdir()
    assert old_runs(tmp_path, {"running"}) == [tmp_path / "left"]


def test_the_command_deletes_what_it_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CTR_STREAMING_DATA", str(tmp_path))
    # Nothing listens on port 1: the job is not running.
    monkeypatch.setenv("CTR_STREAMING_REST_PORT_EVENTS", "1")
    old = write(tmp_path / "events" / "savepoints" / "savepoint-old", 1)
    new = write(tmp_path / "events" / "savepoints" / "savepoint-new", 2)
    command = ["prune", "events", "--keep", "1", "--json"]
    dry = CliRunner().invoke(app, [*command, "--dry-run"])
    assert json.loads(dry.stdout)["deleted"] == [str(old)]
    assert old.exists()
    done = CliRunner().invoke(app, command)
    assert json.loads(done.stdout) == {"job": "events", "deleted": [str(old)], "dry_run": False}
    assert (old.exists(), new.exists()) == (False, True)
