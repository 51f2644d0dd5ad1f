"""Command: ``delay-study``, what late clicks cost by method."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from online_model.datasets.text_table import DatasetError
from online_model.progress import rows_progress
from online_model.settings import OnlineModelSettings
from online_model.studies.click_delays import DelayLaw
from online_model.studies.delay_study import DelayStudy, StudyError, read_criteo
from online_model.training.trainer import HistoryError
from schemas.features import FeatureError, FeatureSpec
from schemas.settings import SettingsError, SharedSettings


class StudyDataset(StrEnum):
    """Logs that a study can be made of."""

    CRITEO = "criteo"


def declaration(dataset: StudyDataset) -> FeatureSpec:
    """CTR_FEATURES if it is set, otherwise that of the data set. Raises FeatureError."""
    shared = SharedSettings.load()
    return FeatureSpec.load(
        shared.features if "features" in shared.model_fields_set else dataset.value
    )


def delay_study(
    files: Annotated[list[Path], typer.Option(help="of the data set, in the order of time")],
    dataset: Annotated[StudyDataset, typer.Option(help="what the files are")] = StudyDataset.CRITEO,
    seed: Annotated[int, typer.Option(min=0, help="of the click delays")] = 0,
    pretrain_share: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="of the rows: the first model's history")
    ] = 0.34,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Delay the clicks of real rows and compare the methods of learning from them."""
    try:
        spec = declaration(dataset)
        study = DelayStudy(spec, OnlineModelSettings.load(), DelayLaw(), pretrain_share)
        with rows_progress("encoding", None) as progress:
            rows = read_criteo(files, spec, progress)
        with rows_progress("delay study", study.work(len(rows.labels))) as progress:
            report = study.run(rows, seed, progress)
    except (DatasetError, FeatureError, HistoryError, SettingsError, StudyError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(report))
        return
    columns = list(report["oracle"])
    table = Table("method", *columns, title=f"{dataset.value}, delays of seed {seed}")
    for method, values in report.items():
        table.add_row(method, *("–" if (v := values[n]) is None else f"{v:.4f}" for n in columns))
    Console().print(table)
