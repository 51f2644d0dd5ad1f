"""Look at the lake, and compact its hours (for cron: once an hour is enough)."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from schemas.lake import TABLES
from schemas.settings import SettingsError
from stores.lake.folders import LakeError, hours
from streaming.lake.compaction import Compaction, compact_hour, is_over, only_one
from streaming.lake.inventory import contents
from streaming.settings import StreamingSettings

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _duration(text: str) -> timedelta:
    if (found := re.fullmatch(r"(\d{1,6})([mhd])", text)) is None:
        raise typer.BadParameter(f"{text} is no time, expected a number and m, h or d, e.g. 90m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


PathOption = Annotated[
    Path | None, typer.Option("--path", help="the lake; by default CTR_STREAMING_LAKE")
]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]


@app.command(name="list")
def list_hours(path: PathOption = None, as_json: JsonOption = False) -> None:
    """Show tables and hours: files, those not compacted yet, rows, bytes, complete or not."""
    with lake_errors():
        rows = [asdict(each) for each in contents(path or StreamingSettings.load().lake)]
    if as_json:
        print(json.dumps({"hours": rows}))
        return
    table = Table("table", "hour (UTC)", "files", "landed", "rows", "bytes", "complete")
    for row in rows:
        row["complete"] = "yes" if row["complete"] else "no"
        table.add_row(*(f"{v:,}" if isinstance(v, int) else v for v in row.values()))
    Console().print(table)


@app.command()
def compact(
    path: PathOption = None,
    older_than: Annotated[
        timedelta | None,
        typer.Option(
            parser=_duration,
            metavar="TIME",
            help="also hours without a marker that ended so long ago, e.g. 2h",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one file of each hour that event time has passed; may be killed and run again."""
    now = datetime.now(UTC)
    with lake_errors():
        lake = path or StreamingSettings.load().lake
        with only_one(lake):
            found = [
                (table, hour)
                for table in TABLES
                for hour in hours(lake, table)
                if is_over(lake, table, hour, older_than, now)
            ]
            console = Console(stderr=True)
            done = [
                each
                for table, hour in track(found, "hours", console=console, transient=True)
                if (each := compact_hour(lake, table, hour, now)) is not None
            ]
    if as_json:
        print(json.dumps({"compacted": [asdict(each) for each in done]}))
    else:
        _show(done)


def _show(done: list[Compaction]) -> None:
    table = Table("table", "hour (UTC)", "landed files", "rows", "repeated")
    for each in done:
        table.add_row(*(f"{v:,}" if isinstance(v, int) else v for v in asdict(each).values()))
    Console().print(table)


@contextmanager
def lake_errors() -> Iterator[None]:
    """What an operator can act on is a message and exit code 1, not a trace."""
    try:
        yield
    except (SettingsError, LakeError, OSError) as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/red]", highlight=False)
        raise typer.Exit(1) from None
