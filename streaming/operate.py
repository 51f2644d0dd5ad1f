"""The operator's commands about a running job: list, savepoint, stop, check."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from streaming.command_options import (
    EXIT_CODES,
    AllowOption,
    ClusterOption,
    JobArgument,
    JsonOption,
    TimeoutOption,
    answer,
    errors,
    overrides,
    progress,
    rest_of,
)
from streaming.flink_rest import Checkpoints, FlinkRestError, FlinkUnreachableError
from streaming.flink_start import JobFailed
from streaming.recovery import RestorePoint, at
from streaming.savepoints import (
    running_job,
    stop_with_savepoint,
    take_savepoint,
    wait_until_gone,
)
from streaming.settings import JobName, StreamingSettings
from streaming.start_up import JobInputs

app = typer.Typer(add_completion=False)

ToOption = Annotated[Path | None, typer.Option("--to", help="folder of savepoints")]


@app.command(name="list", epilog=EXIT_CODES)
def list_jobs(cluster: ClusterOption = None, as_json: JsonOption = False) -> None:
    """Show both jobs: state, tasks, checkpoints."""
    with errors():
        settings = StreamingSettings.load(**overrides(cluster))
        jobs = [job_state(settings, name) for name in JobName]
    if as_json:
        answer({"jobs": jobs}, "", as_json)
        return
    table = Table("job", "state", "tasks", "checkpoints", "newest", "at")
    for job in jobs:
        tasks = ", ".join(f"{count} {state}" for state, count in job.get("tasks", {}).items())
        checkpoints = job.get("checkpoints")
        done = "" if checkpoints is None else "{completed} done, {failed} failed"
        newest = "" if checkpoints is None else checkpoints["newest_path"] or "none yet"
        table.add_row(
            job["name"],
            job["state"],
            tasks,
            done.format(**checkpoints or {}),
            # Where it lies is told by --json, and a path would not fit into a terminal.
            newest.rstrip("/").rpartition("/")[2],
            job["url"].removeprefix("http://"),
        )
    Console().print(table)


@app.command(epilog=EXIT_CODES)
def savepoint(
    job: JobArgument,
    to: ToOption = None,
    cluster: ClusterOption = None,
    timeout: TimeoutOption = 300,
    as_json: JsonOption = False,
) -> None:
    """Take a savepoint of a running job and wait until it is complete."""
    with errors():
        settings = StreamingSettings.load(**overrides(cluster))
        rest = rest_of(settings, job)
        found = running_job(rest, job)
        with progress(f"{job}: taking a savepoint"):
            folder = None if settings.is_operated(job) else settings.savepoints(job)
            path = take_savepoint(rest, found, to or folder, timeout)
    answer({"job": job, "id": found.id, "savepoint": path}, path, as_json)


@app.command(epilog=EXIT_CODES)
def stop(
    job: JobArgument,
    drain: Annotated[
        bool, typer.Option(help="end event time; the job must not go on from this savepoint")
    ] = False,
    cluster: ClusterOption = None,
    timeout: TimeoutOption = 300,
    as_json: JsonOption = False,
) -> None:
    """Stop a running job with a savepoint, from which it goes on when it is started again.

    The savepoint lies where the job looks for it: Flink deletes the checkpoints of a job that ends.
    """
    with errors():
        settings = StreamingSettings.load(**overrides(cluster))
        if settings.is_operated(job):
            raise JobFailed(
                f"the Kubernetes operator runs {job}: set spec.job.state of its FlinkDeployment to "
                "suspended, which stops it with a savepoint"
            )
        rest = rest_of(settings, job)
        found = running_job(rest, job)
        folder = settings.drained(job) if drain else settings.savepoints(job)
        with progress(f"{job}: stopping with a savepoint"):
            path = stop_with_savepoint(rest, found, folder, drain, timeout)
            wait_until_gone(rest, found, timeout)
    answer({"job": job, "id": found.id, "savepoint": path, "drained": drain}, path, as_json)


@app.command(epilog=EXIT_CODES)
def check(
    job: JobArgument,
    savepoint: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="would this code restore it? Nothing runs or changes"),
    ] = None,
    allow_dropped_state: AllowOption = False,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whether a job is well: all of its tasks run and a checkpoint is complete.

    With --savepoint, before an upgrade: which state this code would restore, which it would drop
    (then it fails), and what only running tasks can tell.
    """
    with errors():
        if savepoint is not None:
            upgrade = _upgrade(job, at(savepoint), allow_dropped_state)
            answer(upgrade, "\n".join(_lines(upgrade)), as_json)
            is_good = not upgrade["reasons"]
        else:
            state = job_state(StreamingSettings.load(**overrides(cluster)), job)
            answer(state, _told(state), as_json)
            is_good = state["healthy"]
    if not is_good:
        raise typer.Exit(1)


def _upgrade(job: JobName, point: RestorePoint, allow_dropped_state: bool) -> dict[str, Any]:
    # Here, as pyflink takes seconds to import and a JVM to use.
    from streaming.jobs.upgrade_check import check_upgrade

    with progress(f"{job}: comparing with {point.path}"):
        report = check_upgrade(job, JobInputs.load(), point.path)
    return {
        "job": job,
        "savepoint": str(point.path),
        "restored": {each.label: each.bytes for each in report.restored},
        "dropped": {each.label: each.bytes for each in report.dropped},
        "begins_empty": report.begins_empty,
        "unknown": report.unknown,
        "reasons": report.reasons(allow_dropped_state),
    }


def _lines(upgrade: dict[str, Any]) -> Iterator[str]:
    for what in ("restored", "dropped"):
        yield from (f"{what}: {label}, {size} bytes" for label, size in upgrade[what].items())
    yield from (f"begins empty: {uid}" for uid in upgrade["begins_empty"])
    yield from (f"seen only when tasks run: {text}" for text in upgrade["unknown"])
    yield from (f"refused: {reason}" for reason in upgrade["reasons"])
    if not upgrade["reasons"]:
        yield "this code can go on from it"


def job_state(settings: StreamingSettings, name: JobName) -> dict[str, Any]:
    """What ``list`` and ``check`` show of a job. Raises FlinkRestError."""
    rest = rest_of(settings, name)
    absent = {"name": name, "url": rest.url, "healthy": False}
    try:
        job = next((job for job in rest.jobs() if job.name == name), None)
    except FlinkUnreachableError:
        return {**absent, "state": "UNREACHABLE"}
    if job is None:
        return {**absent, "state": "ABSENT"}
    try:
        checkpoints, failure = rest.checkpoints(job.id), rest.failure(job.id)
    except FlinkRestError:
        # A cluster that is ending still lists its job, and answers nothing else about it.
        return {**absent, "state": "UNREACHABLE"}
    return {
        **asdict(job),
        "url": rest.url,
        "healthy": job.is_running and is_fresh(checkpoints, settings),
        "failure": failure,
        "age_seconds": round(time.time() - job.started_ms / 1000, 1),
        "checkpoints": asdict(checkpoints),
    }


def _told(state: dict[str, Any]) -> str:
    text = f"{state['name']}: {state['state']}"
    if state["healthy"] or "checkpoints" not in state:
        return text
    newest_ms = state["checkpoints"]["newest_ms"]
    age = "none" if newest_ms is None else f"{time.time() - newest_ms / 1000:.0f} s old"
    return f"{text}; tasks {state['tasks']}; newest checkpoint {age}; failure {state['failure']}"


def is_fresh(checkpoints: Checkpoints, settings: StreamingSettings) -> bool:
    """Whether the newest checkpoint is not older than ten intervals, or a minute."""
    if checkpoints.newest_ms is None:
        return False
    age_ms = time.time() * 1000 - checkpoints.newest_ms
    return age_ms < max(60_000, 10 * settings.checkpoint_ms)
