"""Savepoints of a running job: begin one, wait until it is whole, find it on disk."""

import time
from collections.abc import Callable
from pathlib import Path

from streaming.flink_rest import FlinkRest, FlinkUnreachableError, Job, Progress

POLL_SECONDS = 0.1
FILE_SCHEME = "file:"
#: A busy JobManager may be silent for so long.
SILENCE_SECONDS = 30.0


class SavepointError(RuntimeError):
    """A savepoint failed or was not complete in time; a stopped job may have gone on."""


class JobNotFoundError(RuntimeError):
    """The cluster runs no such job."""


def running_job(rest: FlinkRest, name: str) -> Job:
    """The job of that name whose tasks all run. Raises JobNotFoundError."""
    jobs = [job for job in rest.jobs() if job.name == name]
    running = next((job for job in jobs if job.is_running), None)
    if running is None:
        seen = ", ".join(f"{job.id} {job.state} {dict(job.tasks)}" for job in jobs) or "none"
        raise JobNotFoundError(f"no job {name} with all tasks running; found: {seen}")
    return running


def take_savepoint(rest: FlinkRest, job: Job, folder: Path | None, timeout_seconds: float) -> str:
    """A savepoint of a job that runs on, without a folder where Flink's configuration says;
    returns its path. Raises SavepointError."""
    request = rest.trigger_savepoint(job.id, None if folder is None else _target(folder))
    return _wait(lambda: _path(rest, job, request), timeout_seconds, "savepoint")


def stop_with_savepoint(
    rest: FlinkRest,
    job: Job,
    folder: Path,
    drain: bool,
    timeout_seconds: float,
    silence_seconds: float = SILENCE_SECONDS,
) -> str:
    """Stop a job; returns the path of its last savepoint. Raises SavepointError.

    A cluster that does not answer is asked again for ``silence_seconds``. An embedded one ends with
    its job, maybe before it told that the savepoint is complete: then the savepoint that has
    appeared in the folder is the answer.
    """
    before = _savepoints(folder, job)
    request = rest.trigger_stop(job.id, _target(folder), drain)
    heard = time.monotonic()

    def path() -> str | None:
        nonlocal heard
        try:
            found = _path(rest, job, request)
            heard = time.monotonic()
            return found
        except FlinkUnreachableError as error:
            new = _savepoints(folder, job) - before
            if new:
                return f"{FILE_SCHEME}{new.pop()}"
            if time.monotonic() - heard > silence_seconds:
                raise SavepointError(f"{job.name} ended without a savepoint: {error}") from None
            return None

    return _wait(path, timeout_seconds, "stop")


def wait_until_gone(rest: FlinkRest, job: Job, timeout_seconds: float) -> None:
    """Return when a stopped job has ended, so that another may start. Raises SavepointError."""

    def gone() -> str | None:
        try:
            ended = all(other.has_ended for other in rest.jobs() if other.id == job.id)
        except FlinkUnreachableError:
            return "gone"
        return "gone" if ended else None

    _wait(gone, timeout_seconds, "end of the job")


def _path(rest: FlinkRest, job: Job, request: str) -> str | None:
    answer = rest.savepoint(job.id, request)
    if answer.failure is not None:
        raise SavepointError(f"savepoint of {job.name} failed: {answer.failure}")
    return answer.path if answer.progress is Progress.COMPLETED else None


def _wait(poll: Callable[[], str | None], timeout_seconds: float, what: str) -> str:
    deadline = time.monotonic() + timeout_seconds
    while (result := poll()) is None:
        if time.monotonic() > deadline:
            raise SavepointError(f"{what}: not complete after {timeout_seconds:g} s")
        time.sleep(POLL_SECONDS)
    return result


def _target(folder: Path) -> str:
    return folder.absolute().as_uri()


def _savepoints(folder: Path, job: Job) -> set[Path]:
    """Complete savepoints of a job; Flink names them savepoint-<6 of the job's id>-<random>."""
    return {path.parent for path in folder.glob(f"savepoint-{job.id[:6]}-*/_metadata")}
