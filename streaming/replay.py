"""``python -m streaming replay``: label the archived events of the lake again."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from schemas.lake import CLICKS, IMPRESSIONS, SAMPLES
from schemas.settings import SettingsError
from stores.lake.folders import Hour, LakeError, compacted, hours, landing
from streaming.flink_start import JobFailed
from streaming.lake.compaction import compact_hour, only_one
from streaming.readiness import NotReady
from streaming.settings import StreamingSettings

if TYPE_CHECKING:
    from streaming.jobs.replay_job import ReplayOptions


def _hour(text: str) -> Hour:
    try:
        return Hour.parse(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no hour, expected e.g. 2026-01-31T07 (UTC)") from None


def replay(
    into: Annotated[Path, typer.Option(help="folder of the new lake; must not exist")],
    path: Annotated[
        Path | None, typer.Option("--path", help="the lake; by default CTR_STREAMING_LAKE")
    ] = None,
    first: Annotated[
        Hour | None,
        typer.Option("--from", parser=_hour, metavar="HOUR", help="first hour of impressions"),
    ] = None,
    until: Annotated[
        Hour | None,
        typer.Option(parser=_hour, metavar="HOUR", help="the hour after the last one"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Label archived impressions again, into a new lake: the label join as a batch.

    Label wait, attribution window, down-sampling and MATURE are those of the settings, so samples
    for another label wait are made with CTR_STREAMING_LABEL_WAIT_MS. Clicks are read for an
    attribution window around the hours. The lake's hours must be compacted.
    """
    from streaming.jobs import replay_job
    from streaming.jobs.label_join import LabelRules

    console = Console(stderr=True)
    try:
        settings = StreamingSettings.load()
        lake = path or settings.lake
        if into.exists():
            raise LakeError(f"--into {into}: it exists already")
        archived = [hour for hour in hours(lake, IMPRESSIONS) if _is_compacted(lake, hour)]
        if not archived:
            raise LakeError(
                f"lake {lake}: no compacted impressions; CTR_STREAMING_ARCHIVE keeps them, and "
                "`python -m streaming lake compact` compacts them"
            )
        first, until = first or archived[0], until or Hour.of(archived[-1].end)
        if first >= until:
            raise LakeError(f"--from {first} is not before --until {until}")
        rules = LabelRules(
            label_wait_ms=settings.label_wait_ms,
            attribution_window_ms=settings.attribution_window_ms,
            negative_keep=settings.negative_keep,
            mature=settings.mature,
        )
        options = replay_job.ReplayOptions(lake, into, first, until, rules)
        _tell_landed(console, options)
        with console.status(f"labelling impressions of {first} up to {until}"):
            replay_job.run(settings, options)
            rows = _compact(into)
    except (SettingsError, LakeError, NotReady, JobFailed, OSError) as error:
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False)
        raise typer.Exit(1) from None
    answer = {"samples": rows, "from": str(first), "until": str(until), "lake": str(into)}
    print(json.dumps(answer) if as_json else f"{rows:,} samples in {into}")


def _is_compacted(lake: Path, hour: Hour) -> bool:
    return bool(compacted(lake, IMPRESSIONS, hour).files())


def _tell_landed(console: Console, options: "ReplayOptions") -> None:
    for table, first, end in (
        (IMPRESSIONS, options.first, options.end),
        (CLICKS, options.first_click, options.end_click),
    ):
        waiting = [
            str(hour)
            for hour in hours(options.lake, table)
            if first <= hour < end and landing(options.lake, table, hour).files()
        ]
        if waiting:
            told = (
                f"{table.name} of {', '.join(waiting)} are not all compacted, so not all replayed"
            )
            console.print(f"[yellow]{told}[/yellow]", highlight=False)


def _compact(lake: Path) -> int:
    """Of a lake that only this process writes; returns the number of rows."""
    rows = 0
    lake.mkdir(exist_ok=True)
    with only_one(lake):
        for hour in hours(lake, SAMPLES):
            done = compact_hour(lake, SAMPLES, hour, datetime.now(UTC))
            rows += 0 if done is None else done.rows
    return rows
