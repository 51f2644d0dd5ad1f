"""A drain ends event time even when no input has brought anything for a while."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streaming.jobs.expected import Rules
from tests.streaming.jobs.running_job import RunningJob, running_job
from tests.streaming.jobs.scenario import T0

IDLE_MS = 200
IMPRESSIONS = 20
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningJob]:
    """Impressions, no click, silence, and a drain."""
    with running_job(tmp_path_factory.mktemp("drain"), Rules(), IDLE_MS) as job:
        for number in range(IMPRESSIONS):
            job.journal.impression(f"quiet-{number}", T0 + number)
        job.journal.flush()
        job.catch_up()
        # Not for a condition: idleness is the absence of events for IDLE_MS.
        time.sleep(10 * IDLE_MS / 1_000)
        assert not job.samples()
        job.drain()
        yield job


def test_labels_that_are_due_come_all_the_same(drained: RunningJob) -> None:
    samples = drained.samples()
    assert {sample.kind for sample in samples} == {"NEGATIVE"}
    assert len({sample.request_id for sample in samples}) == len(samples) == IMPRESSIONS


def test_the_lake_has_them_too(drained: RunningJob) -> None:
    assert len(drained.lake_rows()) == IMPRESSIONS


def test_a_drained_job_refuses_to_begin_again(drained: RunningJob) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streaming", "events"],
        env=drained.process_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the job was drained" in done.stderr
