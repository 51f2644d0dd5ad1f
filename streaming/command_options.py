"""What the operator's commands have in common: options, progress, answers, errors, exit codes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from schemas.features import FeatureError
from schemas.settings import SettingsError
from streaming.flink_rest import FlinkRest, FlinkRestError
from streaming.flink_start import JobFailed
from streaming.readiness import NotReady
from streaming.recovery import DrainedError, NoRestorePointError
from streaming.savepoints import JobNotFoundError, SavepointError
from streaming.settings import JobName, StreamingSettings

EXIT_CODES = "Exit codes: 0 done, 1 failed or refused (the reason is on stderr), 2 wrong usage."

#: What an operator can act on; anything else is a fault of ours and shows its trace.
ERRORS = (
    FeatureError,
    DrainedError,
    FlinkRestError,
    JobFailed,
    JobNotFoundError,
    NoRestorePointError,
    NotReady,
    SavepointError,
    SettingsError,
)

JobArgument = Annotated[JobName, typer.Argument(help="which job")]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="URL",
        help="REST API of a session cluster; default: CTR_STREAMING_CLUSTER, or else the job's own",
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="PATH", help="savepoint or checkpoint; default: the newest"),
]
AllowOption = Annotated[
    bool,
    typer.Option("--allow-dropped-state", help="state without an operator in the job is given up"),
]
TimeoutOption = Annotated[float, typer.Option(min=1, help="seconds to wait")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]


def overrides(cluster: str | None) -> dict[str, Any]:
    """Settings that the command line gives."""
    return {} if cluster is None else {"cluster": cluster}


def rest_of(settings: StreamingSettings, job: JobName) -> FlinkRest:
    """The cluster that runs a job."""
    return FlinkRest(settings.rest_url(job))


def answer(values: dict[str, Any], text: str, as_json: bool) -> None:
    """What a command found or did, on stdout."""
    print(json.dumps(values) if as_json else text)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """A line on stderr while something takes its time; call it with what is going on."""
    with Console(stderr=True).status(what) as status:
        yield lambda detail: status.update(f"{what}: {detail}")


@contextmanager
def errors() -> Iterator[None]:
    """What an operator can act on is a message and exit code 1, not a trace."""
    try:
        yield
    except ERRORS as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/red]", highlight=False)
        raise typer.Exit(1) from None
