"""Command: ``poison-study``, what flipped labels cost with and without the learner's guard."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from online_model.datasets.text_table import DatasetError
from online_model.progress import rows_progress
from online_model.settings import OnlineModelSettings
from online_model.studies.delay_commands import StudyDataset, declaration
from online_model.studies.delay_study import StudyError, read_criteo
from online_model.studies.poison_study import PoisonStudy
from online_model.training.trainer import HistoryError
from schemas.features import FeatureError
from schemas.settings import SettingsError


def poison_study(
    files: Annotated[list[Path], typer.Option(help="of the data set, in the order of time")],
    dataset: Annotated[StudyDataset, typer.Option(help="what the files are")] = StudyDataset.CRITEO,
    pretrain_share: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="of the rows: the first model's history")
    ] = 0.5,
    poison_from: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="share of the served rows; flipped from there")
    ] = 0.4,
    poison_to: Annotated[float, typer.Option(min=0.1, max=0.95, help="and up to there")] = 0.6,
    batch_rows: Annotated[int, typer.Option(min=10, help="rows a second")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Flip the labels of real rows for a while; the guard is that of the learning job."""
    try:
        spec = declaration(dataset)
        study = PoisonStudy(
            spec, OnlineModelSettings.load(), pretrain_share, poison_from, poison_to, batch_rows
        )
        with rows_progress("encoding", None) as progress:
            rows = read_criteo(files, spec, progress)
        with rows_progress("poison study", study.work(len(rows.labels))) as progress:
            report = study.run(rows, progress)
    except (DatasetError, FeatureError, HistoryError, SettingsError, StudyError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(report))
        return
    table = Table("log loss", "before", "during", "after", title="labels flipped for a while")
    for name, losses in report["logloss"].items():
        table.add_row(name, *(f"{loss:.4f}" for loss in losses.values()))
    Console().print(table)
    for name in ("poisoned_rows", "poisoned_rows_learnt", "detection_rows", "recovery_seconds"):
        Console().print(f"{name.replace('_', ' ')}: {report[name]}")
