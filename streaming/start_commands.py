"""Commands that bring a job onto a session cluster: start, restore, rescale."""

from typing import Annotated, Any

import typer

from streaming.command_options import (
    EXIT_CODES,
    AllowOption,
    ClusterOption,
    FromOption,
    JobArgument,
    JsonOption,
    TimeoutOption,
    answer,
    errors,
    overrides,
    progress,
    rest_of,
)
from streaming.flink_rest import FlinkRest, FlinkRestError, Job
from streaming.flink_start import JobFailed, wait_until_running
from streaming.recovery import NoRestorePointError, RestorePoint, at, newest_of
from streaming.savepoints import running_job, stop_with_savepoint, wait_until_gone
from streaming.settings import JobName
from streaming.start_up import JobInputs

app = typer.Typer(add_completion=False)

ParallelismOption = Annotated[
    int | None, typer.Option(min=1, max=128, help="default: CTR_STREAMING_PARALLELISM")
]


@app.command(epilog=EXIT_CODES)
def start(
    job: JobArgument,
    cluster: ClusterOption = None,
    parallelism: ParallelismOption = None,
    allow_dropped_state: AllowOption = False,
    timeout: TimeoutOption = 300,
    as_json: JsonOption = False,
) -> None:
    """Submit a job to a session cluster and wait until all of its tasks run.

    It goes on from its newest checkpoint or savepoint; the first time it begins with the first
    records that Kafka has.
    """
    with errors():
        inputs = _inputs(job, cluster, parallelism)
        result = _start(job, inputs, newest_of(job, inputs.streaming), allow_dropped_state, timeout)
    answer(result, str(result["id"]), as_json)


@app.command(epilog=EXIT_CODES)
def restore(
    job: JobArgument,
    source: FromOption = None,
    cluster: ClusterOption = None,
    parallelism: ParallelismOption = None,
    allow_dropped_state: AllowOption = False,
    timeout: TimeoutOption = 300,
    as_json: JsonOption = False,
) -> None:
    """Submit a job that must go on from a savepoint or checkpoint; default: its newest.

    Without a cluster: ``python -m streaming JOB --from PATH``.
    """
    with errors():
        inputs = _inputs(job, cluster, parallelism)
        point = newest_of(job, inputs.streaming) if source is None else at(source)
        if point is None:
            raise NoRestorePointError(
                f"{job} has no checkpoint or savepoint in {inputs.streaming.data.absolute()}"
            )
        result = _start(job, inputs, point, allow_dropped_state, timeout)
    answer(result, str(result["id"]), as_json)


@app.command(epilog=EXIT_CODES)
def rescale(
    job: JobArgument,
    parallelism: Annotated[int, typer.Option(min=1, max=128)],
    cluster: ClusterOption = None,
    timeout: TimeoutOption = 300,
    as_json: JsonOption = False,
) -> None:
    """Stop a job with a savepoint and start it from there with another parallelism.

    Without a cluster, end its process with SIGTERM, which takes a savepoint, and run
    ``CTR_STREAMING_PARALLELISM=N python -m streaming JOB``.
    """
    with errors():
        inputs = _inputs(job, cluster, parallelism)
        rest = rest_of(inputs.streaming, job)
        found = running_job(rest, job)
        inputs.require(job)
        _require_slots(rest, found, parallelism)
        with progress(f"{job}: stopping with a savepoint"):
            folder = inputs.streaming.savepoints(job)
            path = stop_with_savepoint(rest, found, folder, drain=False, timeout_seconds=timeout)
            wait_until_gone(rest, found, timeout)
        try:
            result = _start(job, inputs, at(path), False, timeout)
        except (JobFailed, FlinkRestError) as error:
            raise JobFailed(
                f"{error}. The job is stopped; `start {job}` goes on from {path}"
            ) from None
    answer({**result, "savepoint": path, "parallelism": parallelism}, str(result["id"]), as_json)


def _inputs(job: JobName, cluster: str | None, parallelism: int | None) -> JobInputs:
    given = overrides(cluster)
    if parallelism is not None:
        given["parallelism"] = parallelism
    inputs = JobInputs.load(**given)
    if inputs.streaming.cluster is None:
        raise typer.BadParameter(
            "no session cluster is given (nor set as CTR_STREAMING_CLUSTER). A job with a cluster "
            f"of its own is its process, `python -m streaming {job}`: see --help",
            param_hint="--cluster",
        )
    return inputs


def _start(
    job: JobName,
    inputs: JobInputs,
    point: RestorePoint | None,
    allow_dropped_state: bool,
    timeout_seconds: float,
) -> dict[str, Any]:
    settings = inputs.streaming
    rest = rest_of(settings, job)
    _refuse_second(rest, job)
    inputs.require(job)
    # Here, as pyflink takes seconds to import and a JVM to use.
    from streaming.jobs.definitions import define
    from streaming.jobs.session_cluster import submit
    from streaming.jobs.upgrade_check import check_upgrade

    unknown: tuple[str, ...] = ()
    with progress(f"{job}: starting") as tell:
        if point is not None:
            tell(f"comparing with {point.path}")
            report = check_upgrade(job, inputs, point.path)
            if reasons := report.reasons(allow_dropped_state):
                raise JobFailed(f"{job} is not started from {point.path}: {'; '.join(reasons)}")
            unknown = report.unknown
        tell("submitting")
        job_id = submit(define(job, inputs), settings, rest.url, point, allow_dropped_state)
        wait_until_running(rest, job_id, timeout_seconds, lambda seen: tell(_tasks(seen)))
    return {
        "job": job,
        "id": job_id,
        "cluster": rest.url,
        "restored": None if point is None else str(point.path),
        "unknown": unknown,
    }


def _tasks(job: Job) -> str:
    return ", ".join(f"{count} {state}" for state, count in job.tasks.items())


def _require_slots(rest: FlinkRest, job: Job, parallelism: int) -> None:
    """Before the job is stopped, whose own slots are free afterwards."""
    slots = rest.free_slots() + rest.parallelism(job.id)
    if slots < parallelism:
        raise JobFailed(
            f"{job.name} needs {parallelism} slots and could have {slots} at {rest.url}: add a "
            "TaskManager. The job runs on as it was"
        )


def _refuse_second(rest: FlinkRest, job: JobName) -> None:
    for other in rest.jobs():
        if other.name == job and not other.has_ended:
            raise JobFailed(f"{job} is there already, as {other.id} ({other.state}): stop it first")
