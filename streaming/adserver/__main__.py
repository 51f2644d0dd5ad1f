"""``python -m streaming.adserver {world|criteo|open-bandit}``."""

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from rich.console import Console

from online_model.datasets.text_table import DatasetError
from schemas.settings import SharedSettings
from streaming.adserver.event_producer import DeliveryError
from streaming.adserver.frozen_model import NoModel, frozen_model
from streaming.adserver.player import PlayError
from streaming.adserver.progress import show_progress
from streaming.adserver.session import Session, SourceName
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.source import SourceError
from streaming.readiness import NotReady

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

File = Annotated[Path | None, typer.Option("--file", help="The log to replay.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]
Frozen = Annotated[
    bool, typer.Option("--frozen/--no-frozen", help="Compare with the model at the start.")
]


@app.command()
def world(
    seconds: Annotated[float | None, typer.Option(help="How long it goes on.")] = None,
    frozen: Frozen = True,
    as_json: Json = False,
) -> None:
    """A simulated world with known click probabilities."""
    _play("world", {"world_seconds": seconds}, frozen, as_json)


@app.command()
def criteo(
    file: File = None,
    rows: Annotated[int | None, typer.Option(help="At most this many rows.")] = None,
    frozen: Frozen = True,
    as_json: Json = False,
) -> None:
    """Real rows of Criteo display ads, each scored before its label is known."""
    _play("criteo", {"criteo_file": file, "criteo_rows": rows}, frozen, as_json)


@app.command(name="open-bandit")
def open_bandit(
    file: Annotated[
        Path | None, typer.Option("--file", help="A campaign's folder; obp: the package's.")
    ] = None,
    rows: Annotated[int | None, typer.Option(help="At most this many rows.")] = None,
    frozen: Frozen = True,
    as_json: Json = False,
) -> None:
    """Real logs of the Open Bandit data set."""
    _play("open-bandit", {"open_bandit_folder": file, "open_bandit_rows": rows}, frozen, as_json)


def _play(name: SourceName, options: dict[str, Any], frozen: bool, as_json: bool) -> None:
    try:
        session = _prepared(name, options, frozen)
    except (SourceError, NotReady, NoModel, ValueError) as error:
        _fail(str(error), 2)
    _stop_on_signals(session)
    try:
        with show_progress(session, Console(stderr=True)):
            summary = session.run()
    except (SourceError, NotReady, PlayError, DeliveryError, DatasetError, OSError) as error:
        _fail(str(error), 1)
    if as_json:
        print(json.dumps(summary.as_json()))
    else:
        Console().print(summary.table())
    if summary.asked and not summary.answered:
        _fail("the scorer answered no request", 1)


def _prepared(name: SourceName, options: dict[str, Any], frozen: bool) -> Session:
    given = {key: value for key, value in options.items() if value is not None}
    shared = SharedSettings.load()
    session = Session(name, shared, AdServerSettings.load(**given))
    session.check()
    if frozen:
        session.compare_with(frozen_model(shared))
    return session


def _stop_on_signals(session: Session) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: session.stop())


def _fail(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(code)


def main() -> None:
    """Log lines go to stderr: stdout is for the summary."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    app()


if __name__ == "__main__":
    main()
