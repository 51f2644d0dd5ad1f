"""``python -m streaming events|learning`` runs a job; the other commands are the operator's."""

import sys
from typing import NoReturn

import typer

from schemas.features import FeatureError
from schemas.settings import SettingsError
from streaming import dead_letter_commands, operate, start_commands, uid_commands
from streaming.command_options import EXIT_CODES, FromOption
from streaming.flink_start import JobFailed
from streaming.lake import commands as lake_commands
from streaming.monitor.command import monitor
from streaming.prune import prune
from streaming.readiness import NotReady
from streaming.rebuild_redis import rebuild_redis
from streaming.recovery import DrainedError, NoRestorePointError, at, newest_of
from streaming.replay import replay
from streaming.settings import JobName
from streaming.start_up import JobInputs

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.add_typer(operate.app)
app.add_typer(start_commands.app)
app.add_typer(uid_commands.app, name="uids")
app.add_typer(dead_letter_commands.app, name="dead-letters")
app.add_typer(lake_commands.app, name="lake")
app.command()(monitor)
app.command(epilog=EXIT_CODES)(prune)
app.command()(replay)
app.command(name="rebuild-redis")(rebuild_redis)


@app.command()
def events(source: FromOption = None) -> None:
    """Run the events job here: labels, counters, lake. Exit code 2: cannot start."""
    _run(JobName.EVENTS, source)


@app.command()
def learning(source: FromOption = None) -> None:
    """Run the learning job here: samples to row deltas. Exit code 2: cannot start."""
    _run(JobName.LEARNING, source)


def _run(job: JobName, source: str | None) -> None:
    try:
        inputs = JobInputs.load()
        inputs.require(job)
        from streaming.jobs.definitions import define
        from streaming.jobs.embedded_flink import EmbeddedJob

        definition = define(job, inputs)
    except (SettingsError, FeatureError, NotReady, ValueError) as error:
        _fail(error, 2)
    try:
        point = newest_of(job, inputs.streaming) if source is None else at(source)
        EmbeddedJob(definition, inputs.streaming, point).run()
    except (NotReady, JobFailed, DrainedError, NoRestorePointError) as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> NoReturn:
    print(f"streaming: {error}", file=sys.stderr)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
