"""The lock file of operator uids: write it after a change that is meant, check it in tests."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streaming import uid_lock
from streaming.command_options import EXIT_CODES, JsonOption, answer, errors, progress
from streaming.recovery import at
from streaming.settings import JobName
from streaming.start_up import JobInputs
from streaming.upgrade import GraphOperator

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command(epilog=EXIT_CODES)
def write(
    savepoints: Annotated[
        Path | None, typer.Option(help="folder with a savepoint of each job, by name")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the uids of both jobs as they are now, with the states that savepoints show.

    Without savepoints the states of uids that stay are kept as the file has them.
    """
    with errors():
        graphs = _graphs()
        known = {job: uid_lock.read(job) for job in JobName}
        if savepoints is not None:
            known = {job: _states(savepoints / job) for job in JobName}
    jobs = {job: uid_lock.of_graph(graph, known[job]) for job, graph in graphs.items()}
    uid_lock.write(jobs)
    answer({"file": str(uid_lock.FILE)}, str(uid_lock.FILE), as_json)


@app.command(epilog=EXIT_CODES)
def check(as_json: JsonOption = False) -> None:
    """Fail if the jobs' uids are not those of the file, and say what state would be dropped."""
    with errors():
        graphs = _graphs()
    found = {job: uid_lock.differences(uid_lock.read(job), graph) for job, graph in graphs.items()}
    lines = [f"{job}: {text}" for job, of_job in found.items() for text in of_job]
    answer({"differences": found}, "\n".join(lines) or "uids are those of the lock file", as_json)
    if lines:
        Console(stderr=True).print("If this is meant: python -m streaming uids write")
        raise typer.Exit(1)


def _states(savepoint: Path) -> uid_lock.States:
    from streaming.jobs.savepoint_metadata import read_savepoint

    return uid_lock.states_of(read_savepoint(at(str(savepoint)).path))


def _graphs() -> dict[JobName, tuple[GraphOperator, ...]]:
    from streaming.jobs.job_environment import start_jvm
    from streaming.jobs.operators import operators_of

    inputs = JobInputs.load()
    with progress("building both jobs"):
        start_jvm(inputs.streaming, is_command=True)
        return {job: operators_of(job, inputs) for job in JobName}
