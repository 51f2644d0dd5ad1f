"""``python -m deploy.delay_study``: late clicks through the real jobs, and without them."""

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from deploy.delay_study.event_player import PlayFailed
from deploy.delay_study.flink_teacher import FlinkTeacher
from deploy.local.part import StackError
from online_model.datasets.text_table import DatasetError
from online_model.progress import rows_progress
from online_model.repeated_options import RepeatedOptions
from online_model.settings import OnlineModelSettings
from online_model.studies.click_delays import DelayLaw
from online_model.studies.delay_commands import StudyDataset, declaration
from online_model.studies.delay_study import METHODS, DelayStudy, StudyError, read_criteo
from online_model.training.trainer import HistoryError
from schemas import log_lines
from schemas.features import FeatureError
from schemas.settings import SettingsError
from streaming.adserver.event_producer import DeliveryError

app = typer.Typer(add_completion=False)


class MethodName(StrEnum):
    """Ways to learn from late clicks, see online_model/training/delayed_feedback.py."""

    ES_DFM = "es_dfm"
    DEFER = "defer"
    FNW = "fnw"
    WAIT = "wait"
    VANILLA = "vanilla"


DEFAULT_METHODS = (MethodName.ES_DFM, MethodName.VANILLA)


@app.command(cls=RepeatedOptions)
def main(
    files: Annotated[list[Path], typer.Option(help="Criteo rows, in the order of time")],
    rows: Annotated[int, typer.Option(min=1, help="of them, from the first")] = 40_000,
    methods: Annotated[
        list[MethodName] | None, typer.Option(help="default: es_dfm and vanilla")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the click delays")] = 0,
    pretrain_share: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="of the rows: the first model's history")
    ] = 0.34,
) -> None:
    """One JSON object: metrics by method through Kafka and Flink, the same rows learnt in this
    process, and the samples that the learning job has seen. It takes minutes: before each
    thousand rows the study waits for checkpoints of both jobs."""
    log_lines.configure("WARNING")
    try:
        report = _report(files, rows, methods or DEFAULT_METHODS, seed, pretrain_share)
    except (
        DatasetError, DeliveryError, FeatureError, HistoryError, KafkaException, PlayFailed,
        RedisError, SettingsError, StackError, StudyError,
    ) as error:  # fmt: skip
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print(json.dumps(report))


def _report(
    files: list[Path], rows: int, names: Sequence[MethodName], seed: int, pretrain_share: float
) -> dict[str, Any]:
    spec = declaration(StudyDataset.CRITEO)
    study = DelayStudy(spec, OnlineModelSettings.load(), DelayLaw(), pretrain_share)
    methods = [method for method in METHODS if method in names]
    with rows_progress("encoding", None) as progress:
        log = read_criteo(files, spec, progress).part(0, rows)
    teacher = FlinkTeacher(spec)
    work = 2 * study.work(len(log.labels), methods)
    with rows_progress("delay study", work) as progress:
        offline = study.run(log, seed, progress, methods)
        flink = study.run(log, seed, progress, methods, teacher)
    return {"flink": flink, "offline": offline, "samples": teacher.seen}


if __name__ == "__main__":
    app()
