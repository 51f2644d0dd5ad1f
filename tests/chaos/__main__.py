"""The engine under kill -9: ``python -m tests.chaos --help``.

Sends a seeded history to a real Kafka while both jobs run and TaskManager, JobManager, Kafka and
Redis are killed at seeded moments, and the events job is once stopped with a savepoint and
restored. Then everything that came out must be what the oracle says. Exit code 1: one differs.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.part import StackError
from tests.chaos.run import Result, Run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
screen = Console(stderr=True)


@app.command(help=__doc__)
def chaos(
    impressions: Annotated[int, typer.Option(min=1_000, help="with clicks")] = 500_000,
    seed: Annotated[int, typer.Option(help="of the history and of the faults")] = 1,
    rate: Annotated[float, typer.Option(min=1, help="events a second, at most")] = 4_000,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """One run in a folder of its own, which stays if something is wrong."""
    # What happens to the parts is told here, in the order of the faults.
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger("error"),
    )
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        result = Run(folder, impressions, seed, rate, screen).run()
    except (StackError, RuntimeError) as error:
        screen.print(f"[red]{error}[/red]\nlogs: {folder / 'logs'}", highlight=False)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        Console().print(table(result))
    if not result.is_good:
        screen.print(f"[red]something differs[/red]; logs: {folder / 'logs'}", highlight=False)
        raise typer.Exit(1)
    shutil.rmtree(folder)


def table(result: Result) -> Table:
    """The accounts, for people."""
    title = f"{result.impressions:,} impressions, {result.events:,} events, seed {result.seed}"
    drawn = Table(title=title, title_justify="left")
    drawn.add_column("")
    for column in ("must be", "are", "differ"):
        drawn.add_column(column, justify="right")
    drawn.add_column("")
    for account in result.accounts:
        colour = "green" if account.is_closed else "red"
        drawn.add_row(
            account.name,
            f"{account.due:,}",
            f"{account.came:,}",
            f"[{colour}]{account.differ:,}[/{colour}]",
            "; ".join(filter(None, [account.note, *account.examples])),
        )
    return drawn


if __name__ == "__main__":
    app()
