"""The command ``experiment-report``."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

Moment = Annotated[datetime | None, typer.Option(help="UTC, e.g. 2026-01-31T07:00:00")]


def experiment_report(
    lake: Annotated[Path, typer.Option(help="folder of the lake, as the events job writes it")],
    since: Moment = None,
    until: Moment = None,
    arms: Annotated[
        Path | None, typer.Option(help="arms file: are users spread as it declares?")
    ] = None,
    baseline: Annotated[str, typer.Option(help="arm that lifts are over; default: the first")] = "",
    target: Annotated[
        Path | None,
        typer.Option(help="Parquet of a policy to estimate: request_id, ad_id, probability, …"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """CTR and revenue by arm with confidence intervals, and off-policy estimates.

    Give --until a time that lies the attribution window back: later clicks are still to come.
    """
    from scorer.experiments.arms import Arms, ArmsError
    from scorer.experiments.logged import read_logged
    from scorer.experiments.report import Report, ReportError
    from scorer.experiments.targets import TargetError
    from stores.lake.folders import LakeError

    progress = Progress(
        SpinnerColumn(),
        TextColumn("reading the lake: {task.completed:,} samples"),
        console=Console(stderr=True),
        transient=True,
    )
    try:
        declared = None if arms is None else Arms.load(arms)
        with progress:
            task = progress.add_task("lake", total=None)
            logged = read_logged(
                lake, _utc(since), _utc(until), lambda rows: progress.update(task, completed=rows)
            )
        report = Report.of(logged, baseline, declared, target)
    except (ArmsError, LakeError, ReportError, TargetError) as error:
        print(f"experiment-report: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        report.show()


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
