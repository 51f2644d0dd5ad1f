"""``python -m deploy.local``: start, stop and look at the local stack."""

import shlex
import sys
import time
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.markup import escape

from deploy.local import commands, status
from deploy.local.part import StackError
from deploy.local.ports import HOST
from deploy.local.secret_files import CREDENTIAL_FILE
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack, default_parts
from schemas.settings import SettingsError

app = typer.Typer(
    help="The local stack: Kafka, Redis, the two Flink jobs, a scorer and the console.",
    no_args_is_help=True,
    add_completion=False,
)
_output = Console()
_errors = Console(stderr=True)

_NO_MODEL = """no model is published yet, so the scorer answers UNAVAILABLE. To bootstrap one:
  eval "$(.venv/bin/python -m deploy.local environment)"
  .venv/bin/python -m bootstrap train --dataset world    # of your own history: --help"""


def _console_told(settings: LocalSettings) -> str:
    return (
        f"console: http://{HOST}:{settings.console_port}; the credential to act in it is "
        f"{settings.folder / CREDENTIAL_FILE}, unless CTR_CONSOLE_CREDENTIAL was set"
    )


def _tell(line: str) -> None:
    _output.print(line, markup=False, highlight=False)


@app.command()
def up(
    parts: Annotated[list[str] | None, typer.Argument(help="only these; all by default")] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="stay, and stop everything on Ctrl-C")
    ] = False,
) -> None:
    """Start the parts and return when all are ready."""
    settings = LocalSettings.load()
    names = parts or default_parts()
    if foreground:
        raise typer.Exit(commands.run_in_foreground(settings, names, _tell))
    state = commands.start_in_background(settings, names, _tell)
    _output.print(status.as_table(state, time.time()))
    if any(part.name == "console" for part in state.parts):
        _tell(_console_told(settings))
    if any("NOT_SERVING" in part.detail for part in state.parts):
        _tell(_NO_MODEL)


@app.command()
def down() -> None:
    """Stop every part; the data stay."""
    stopped = commands.stop_running(LocalSettings.load())
    _tell("the stack is down" if stopped else "no stack was running")


@app.command("status")
def show_status(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show every part; exit 1 unless all are healthy."""
    state = commands.running_state(LocalSettings.load())
    if as_json:
        typer.echo(status.as_json(state, time.time()))
    else:
        _output.print(status.as_table(state, time.time()))
    raise typer.Exit(0 if status.is_healthy(state) else 1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="a part, or supervisor")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on as lines are added")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, help="how many of the last lines")
    ] = 200,
) -> None:
    """Print the log of a part."""
    path = commands.log_file(LocalSettings.load(), name)
    try:
        for line in commands.read_log(path, lines, follow):
            typer.echo(line, nl=False)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def restart(name: Annotated[str, typer.Argument(help="a part")]) -> None:
    """Stop one part cleanly, start it again and wait until it is ready."""
    part = commands.restart_part(LocalSettings.load(), name)
    _tell(f"{name} is ready again (pid {part.pid})")


@app.command()
def environment() -> None:
    """Print the settings of this stack as shell exports, for tools that work with it."""
    for key, value in sorted(LocalStack(LocalSettings.load()).environment().items()):
        typer.echo(f"export {key}={shlex.quote(value)}")


def main() -> None:
    """Run the command; a known fault is one red message and exit code 1."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        app()
    except (StackError, SettingsError) as error:
        _errors.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
