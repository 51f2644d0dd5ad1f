"""The operator's commands over Flink's REST API: list, savepoint, stop, check."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from schemas.settings import SettingsError
from streaming.flink_rest import FlinkRest, FlinkRestError, FlinkUnreachableError
from streaming.savepoints import (
    JobNotFoundError,
    SavepointError,
    running_job,
    stop_with_savepoint,
    take_savepoint,
    wait_until_gone,
)
from streaming.settings import JobName, StreamingSettings

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


JobArgument = Annotated[JobName, typer.Argument(help="which job")]
ToOption = Annotated[Path | None, typer.Option("--to", help="folder of savepoints")]
TimeoutOption = Annotated[float, typer.Option(min=1, help="seconds to wait")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]


@app.command(name="list")
def list_jobs(as_json: JsonOption = False) -> None:
    """Show both jobs: state, tasks, checkpoints."""
    with _errors():
        settings = StreamingSettings.load()
        jobs = [_state(settings, name) for name in JobName]
    if as_json:
        print(json.dumps({"jobs": jobs}))
        return
    table = Table("job", "state", "tasks", "checkpoints", "failed", "newest", "at")
    for job in jobs:
        tasks = ", ".join(f"{count} {state}" for state, count in job.get("tasks", {}).items())
        checkpoints = job.get("checkpoints", {})
        table.add_row(
            job["name"],
            job["state"],
            tasks,
            str(checkpoints.get("completed", "")),
            str(checkpoints.get("failed", "")),
            checkpoints.get("newest_path") or "",
            job["url"],
        )
    Console().print(table)


@app.command()
def savepoint(
    job: JobArgument, to: ToOption = None, timeout: TimeoutOption = 300, as_json: JsonOption = False
) -> None:
    """Take a savepoint of a running job and wait until it is complete."""
    with _errors():
        settings = StreamingSettings.load()
        rest = _rest(settings, job)
        found = running_job(rest, job)
        path = take_savepoint(rest, found, to or settings.savepoints(job), timeout)
    _print({"job": job, "id": found.id, "savepoint": path}, path, as_json)


@app.command()
def stop(
    job: JobArgument,
    drain: Annotated[
        bool, typer.Option(help="end event time; the job must not go on from this savepoint")
    ] = False,
    timeout: TimeoutOption = 300,
    as_json: JsonOption = False,
) -> None:
    """Stop a running job with a savepoint, from which it goes on when it is started again.

    The savepoint lies where the job looks for it: Flink deletes the checkpoints of a job that ends.
    """
    with _errors():
        settings = StreamingSettings.load()
        rest = _rest(settings, job)
        found = running_job(rest, job)
        folder = settings.drained(job) if drain else settings.savepoints(job)
        path = stop_with_savepoint(rest, found, folder, drain, timeout)
        wait_until_gone(rest, found, timeout)
    _print({"job": job, "id": found.id, "savepoint": path, "drained": drain}, path, as_json)


@app.command()
def check(job: JobArgument, as_json: JsonOption = False) -> None:
    """Exit with 0 if all tasks of a job run and its newest checkpoint went well."""
    with _errors():
        state = _state(StreamingSettings.load(), job)
    _print(state, f"{job}: {state['state']}", as_json)
    if not state["healthy"]:
        raise typer.Exit(1)


def _state(settings: StreamingSettings, name: JobName) -> dict[str, Any]:
    rest = _rest(settings, name)
    absent = {"name": name, "url": rest.url, "healthy": False}
    try:
        job = next((job for job in rest.jobs() if job.name == name), None)
    except FlinkUnreachableError:
        return {**absent, "state": "UNREACHABLE"}
    if job is None:
        return {**absent, "state": "ABSENT"}
    checkpoints = rest.checkpoints(job.id)
    return {
        **asdict(job),
        "url": rest.url,
        "healthy": job.is_running and checkpoints.newest_ms is not None,
        "age_seconds": round(time.time() - job.started_ms / 1000, 1),
        "checkpoints": asdict(checkpoints),
    }


def _rest(settings: StreamingSettings, job: JobName) -> FlinkRest:
    return FlinkRest(f"http://127.0.0.1:{settings.rest_port(job)}")


def _print(answer: dict[str, Any], text: str, as_json: bool) -> None:
    print(json.dumps(answer) if as_json else text)


@contextmanager
def _errors() -> Iterator[None]:
    """What an operator can act on is a message and exit code 1, not a trace."""
    try:
        yield
    except (SettingsError, FlinkRestError, JobNotFoundError, SavepointError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
