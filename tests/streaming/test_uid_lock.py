"""The lock file of uids: what a change of the job means for the savepoints of before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streaming import uid_lock
from streaming.settings import JobName
from streaming.upgrade import GraphOperator

ROOT = Path(__file__).resolve().parents[2]
GRAPH = [
    GraphOperator("1", "label-join", "label-join", 128),
    GraphOperator("2", "calc-7", "Calc[12]", 128),
    GraphOperator("3", None, "map", 128),
]


def test_the_jobs_have_the_uids_of_the_lock_file(tmp_path: Path) -> None:
    """If the change is meant: python -m streaming uids write."""
    done = subprocess.run(
        [sys.executable, "-m", "streaming", "uids", "check", "--json"],
        env={**os.environ, "CTR_STREAMING_DATA": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"differences": {job: [] for job in JobName}}


def test_every_state_of_the_golden_savepoints_is_in_the_lock_file() -> None:
    stateful = {job: {u for u, states in uid_lock.read(job).items() if states} for job in JobName}
    assert {"label-join", "window-counters", "last-clicks"} <= stateful[JobName.EVENTS]
    assert {"learner", "balanced-labels"} <= stateful[JobName.LEARNING]


def test_only_uids_that_can_have_state_are_locked() -> None:
    assert uid_lock.of_graph(GRAPH, {}) == {"label-join": {}}


def test_a_changed_uid_says_which_state_it_drops() -> None:
    locked = {"join": {"timers": "", "pending": "1"}}
    assert uid_lock.differences(locked, GRAPH) == [
        "join is gone: a savepoint's state of it would be dropped (pending, timers)",
        "label-join is new: it begins without state",
    ]


def test_known_states_stay_when_the_file_is_written(tmp_path: Path) -> None:
    file = tmp_path / "uids.json"
    states = uid_lock.of_graph(GRAPH, {"label-join": {"pending": "1"}, "gone": {"x": ""}})
    uid_lock.write({JobName.EVENTS: states}, file)
    assert uid_lock.read(JobName.EVENTS, file) == {"label-join": {"pending": "1"}}
    with pytest.raises(KeyError):
        uid_lock.read(JobName.LEARNING, file)
