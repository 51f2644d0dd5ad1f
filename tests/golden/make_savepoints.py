"""``python -m tests.golden.make_savepoints``: golden savepoints of both jobs, anew.

To be run after a change of state that is meant, and before a release: it replaces the folders
tests/golden/savepoints/{events,learning} and the states in streaming/jobs/uids.lock.json. What the
savepoints hold is told in tests/streaming/jobs/golden_story.py.
"""

import shutil
import tempfile
from pathlib import Path

from streaming.recovery import at
from streaming.settings import JobName
from tests.streaming.jobs.golden_story import COUNTED, NEGATIVES, before, seen
from tests.streaming.jobs.session_run import GOLDEN, SessionRun, result, session_run

#: Then the lake has nothing left to do, whose files are not part of a savepoint.
QUIET_CHECKPOINTS = 3


def make(folder: Path) -> None:
    """Run both jobs one after the other, so that neither has read what the other wrote."""
    with session_run(folder) as run:
        before(run)
        result(run.begin("start", JobName.LEARNING, "--json"))
        run.until(lambda: seen(run, "NEGATIVE") == NEGATIVES, "samples are learnt")
        _keep(run, JobName.LEARNING)
        job = result(run.begin("start", JobName.EVENTS, "--json"))
        run.until(lambda: {"negative", "counted-0"} <= run.labelled(), "labels are out")
        run.until(lambda: _impressions(run) == COUNTED, "counters are written")
        quiet = run.rest.checkpoints(job["id"]).completed + QUIET_CHECKPOINTS
        run.until(lambda: run.rest.checkpoints(job["id"]).completed >= quiet, "checkpoints")
        _keep(run, JobName.EVENTS)
        result(run.begin("uids", "write", "--savepoints", str(GOLDEN), "--json"))


def _impressions(run: SessionRun) -> int:
    row = run.counters().get("ad:a")
    return 0 if row is None else row.impressions[-1]


def _keep(run: SessionRun, job: JobName) -> None:
    stopped = result(run.begin("stop", job, "--json"))
    shutil.rmtree(GOLDEN / job, ignore_errors=True)
    shutil.copytree(at(stopped["savepoint"]).path, GOLDEN / job)
    for file in sorted((GOLDEN / job).iterdir()):
        print(f"{file.relative_to(GOLDEN)}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
