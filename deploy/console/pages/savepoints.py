"""Savepoints of both jobs: which there are, take one, go back to one."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import InputError, Values, done, shown, text
from deploy.console.engine import Engine
from streaming.flink_rest import FlinkRest, FlinkUnreachableError
from streaming.flink_start import JobFailed
from streaming.operate import job_state
from streaming.recovery import RestorePoint, make_newest, savepoints_of
from streaming.savepoints import running_job, take_savepoint, wait_until_gone
from streaming.settings import JobName, StreamingSettings

SAVEPOINT_SECONDS = 300.0
RESTORE_SECONDS = 300.0
#: Longer than the commands themselves wait, so that their own words are heard.
COMMAND_SECONDS = RESTORE_SECONDS + 60.0


def savepoints(engine: Engine, request: Request) -> Values:
    """Both jobs with their state and savepoints, newest first."""
    return {"jobs": [_job(engine, job) for job in JobName]}


def take(engine: Engine, body: Values) -> Values:
    """Take a savepoint of a job that runs on."""
    settings, job = engine.streaming, _job_name(body)
    rest = FlinkRest(settings.rest_url(job))
    folder = None if settings.is_operated(job) else settings.savepoints(job)
    return {"savepoint": take_savepoint(rest, running_job(rest, job), folder, SAVEPOINT_SECONDS)}


def restore(engine: Engine, body: Values) -> Values:
    """End a job and have it go on from a savepoint, if this code can restore it.

    A job with a cluster of its own is started again by whoever keeps its process alive, and goes on
    from the newest savepoint, which the chosen one becomes.
    """
    settings, job, wanted = engine.streaming, _job_name(body), text(body, "savepoint")
    if why := _why_not(settings, job):
        raise JobFailed(f"{why}: {_typed(engine, job, wanted)}")
    kept = {str(point.path): point for point in savepoints_of(job, settings)}
    if wanted not in kept:
        raise InputError(f"savepoint: {wanted} is none of the {len(kept)} that are kept")
    _require_restorable(job, wanted)
    _end(FlinkRest(settings.rest_url(job)), job)
    make_newest(kept[wanted])
    if settings.cluster:
        return {"restored": wanted, "job": _command("restore", job, "--from", wanted)["id"]}
    return {"restored": wanted, "job": None}


def _end(rest: FlinkRest, name: JobName) -> None:
    try:
        job = next((j for j in rest.jobs() if j.name == name and not j.has_ended), None)
        if job is not None:
            rest.cancel(job.id)
            wait_until_gone(rest, job, RESTORE_SECONDS)
    except FlinkUnreachableError:
        # It has ended already; the savepoint is what it will begin with.
        return


def _require_restorable(job: JobName, path: str) -> None:
    report = _command("check", job, "--savepoint", path)
    if report["reasons"]:
        raise JobFailed(f"{job} cannot go on from {path}: {'; '.join(report['reasons'])}")


def _command(*arguments: str) -> Any:
    """The answer of ``python -m streaming``, in a process of its own as it starts a JVM."""
    try:
        result = subprocess.run(
            [sys.executable, "-m", "streaming", *arguments, "--json"],
            env={k: v for k, v in os.environ.items() if not k.startswith("CTR_CONSOLE_")},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JobFailed(
            f"python -m streaming {arguments[0]}: no answer for {COMMAND_SECONDS:.0f} s; "
            "see python -m streaming list"
        ) from None
    try:
        return json.loads(result.stdout)
    except ValueError:
        told = result.stderr.strip().splitlines() or ["it said nothing"]
        raise JobFailed(f"python -m streaming {arguments[0]}: {told[-1]}") from None


def _job_name(body: Values) -> JobName:
    name = text(body, "job")
    if name not in list(JobName):
        raise InputError(f"job: {name} is not one of {', '.join(JobName)}")
    return JobName(name)


def _why_not(settings: StreamingSettings, job: JobName) -> str:
    """Why this console cannot restore a job; empty if it can."""
    if settings.is_operated(job):
        return "the Kubernetes operator restores, when it is told to"
    if find_spec("pyflink") is None:
        return "this console has no Flink to restore with"
    return ""


def _typed(engine: Engine, job: JobName, savepoint: str) -> str:
    command = engine.settings.restore_command
    return command.replace("JOB", job).replace("SAVEPOINT", savepoint)


def _job(engine: Engine, name: JobName) -> dict[str, Any]:
    settings = engine.streaming
    state, operated = job_state(settings, name), settings.is_operated(name)
    if operated:
        points = _newest(settings, name, state)
    else:
        points = [_point(point) for point in savepoints_of(name, settings)]
    why = _why_not(settings, name)
    return {
        **state,
        "folder": "the job's storage, as far as it remembers"
        if operated
        else str(settings.savepoints(name)),
        "own_cluster": settings.cluster is None,
        "restore_elsewhere": why,
        "savepoints": [
            {**point, "restore": _typed(engine, name, point["path"]) if why else ""}
            for point in points
        ],
    }


def _newest(
    settings: StreamingSettings, job: JobName, state: dict[str, Any]
) -> list[dict[str, Any]]:
    """Of a job whose folders are not here: the last one, which Flink remembers."""
    if "id" not in state:
        return []
    found = FlinkRest(settings.rest_url(job)).newest_savepoint(state["id"])
    if found is None:
        return []
    name = found.path.rstrip("/").rpartition("/")[2]
    return [{"path": found.path, "name": name, "taken_ms": found.taken_ms, "bytes": found.bytes}]


def _point(point: RestorePoint) -> dict[str, Any]:
    return {
        "path": str(point.path),
        "name": point.path.name,
        "taken_ms": int(1000 * (point.path / "_metadata").stat().st_mtime),
        "bytes": _size(point.path),
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


routes = [
    Route("/api/savepoints", shown(savepoints)),
    Route("/api/savepoints/take", done("savepoint", take), methods=["POST"]),
    Route("/api/savepoints/restore", done("restore", restore), methods=["POST"]),
]
