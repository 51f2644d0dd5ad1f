"""Commands: train and publish, look after versions, test offline."""

import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import redis
import typer

from bootstrap import display, version_commands
from bootstrap.announcer import announce
from bootstrap.audit_command import audit
from bootstrap.command import AsJson, Force, ModelName, connected, faults_told
from bootstrap.encoded_log import encode_log
from bootstrap.log_backtest import LogBacktest, StreamLabels
from bootstrap.log_sources import LOGS, LogName
from bootstrap.log_split import LogFiles
from bootstrap.metrics import write_metrics
from bootstrap.publisher import Publisher
from bootstrap.publishing import live_package, publish_through_gate
from bootstrap.refresh_command import refresh_live
from bootstrap.retrain_command import retrain
from bootstrap.row_range import Rows
from bootstrap.settings import BootstrapSettings
from bootstrap.source import Source, SourceError
from bootstrap.study import VARIANTS, Study
from bootstrap.training import TrainedPackage, Training, numbers
from online_model.network.model import Architecture
from online_model.repeated_options import RepeatedOptions
from online_model.settings import OnlineModelSettings
from online_model.training.trainer import rows_to_do
from schemas import log_lines
from schemas.features import FeatureSpec
from schemas.settings import SharedSettings

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
BASELINE = "lr"


class DatasetName(StrEnum):
    """What ``--dataset`` may be."""

    CRITEO = "criteo"
    AVAZU = "avazu"
    IPINYOU = "ipinyou"
    TALKINGDATA = "talkingdata"
    TIANGONG = "tiangong"
    OPEN_BANDIT = "open-bandit"
    WORLD = "world"
    LAKE = "lake"


class LogDataset(StrEnum):
    """What can be tested offline: logs as files."""

    CRITEO = "criteo"
    AVAZU = "avazu"
    IPINYOU = "ipinyou"
    TALKINGDATA = "talkingdata"
    TIANGONG = "tiangong"
    OPEN_BANDIT = "open-bandit"


app.command()(audit)
app.command()(retrain)
app.command(name="refresh")(refresh_live)
for verb, command in version_commands.COMMANDS.items():
    app.command(name=verb)(command)


@app.callback()
def commands() -> None:
    """What the code warns of goes to stderr: stdout is the answer's."""
    with faults_told():
        log_lines.configure(SharedSettings.load().log_level)


@app.command()
def train(
    dataset: Annotated[DatasetName, typer.Option(help="where history comes from")],
    file: Annotated[Path | None, typer.Option(help="the file of a public log")] = None,
    path: Annotated[Path | None, typer.Option(help="lake: its folder")] = None,
    rows: Annotated[str, typer.Option(help="A:B or A%:B% of a file; N rows of the world")] = "",
    label_wait_ms: Annotated[
        int,
        typer.Option(
            envvar="CTR_STREAMING_LABEL_WAIT_MS",
            help="the stream's: clicks after it are late (world: tells the late share)",
        ),
    ] = 900_000,
    to_kafka: Annotated[
        bool, typer.Option("--announce", help="also send model announcements to Kafka")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train DeepFM and logistic regression, calibrate, publish to Redis, switch to them."""
    with faults_told():
        shared = SharedSettings.load()
        settings = BootstrapSettings.load()
        model_settings = OnlineModelSettings.load()
        spec = _spec(shared, dataset)
        now_ms = int(1000 * time.time())
        source = Source(dataset.value, file or path, Rows.parse(rows), label_wait_ms)
        with connected(shared) as client:
            client.ping()
            with display.rows_progress("encoding", source.rows.count) as progress:
                log = source.read(spec, now_ms, progress)
            training = Training(spec, log, model_settings, settings, now_ms)
            trained = [
                _train_and_publish(client, training, shared.model, "deepfm", force),
                _train_and_publish(client, training, BASELINE, "lr", force),
            ]
        if settings.metrics_file:
            write_metrics(Path(settings.metrics_file), trained)
        if to_kafka:
            for item in trained:
                announce(shared.kafka, item.package.manifest, now_ms)
    if as_json:
        print(json.dumps({item.package.manifest.model: _report(item) for item in trained}))
    else:
        display.show_trained(trained)


@app.command(cls=RepeatedOptions)
def backtest(
    train_files: Annotated[list[Path], typer.Option("--train", help="files of history")],
    test_files: Annotated[list[Path], typer.Option("--test", help="files of what follows")],
    dataset: Annotated[LogDataset, typer.Option()] = LogDataset.CRITEO,
    train_blocks: Annotated[str, typer.Option(help="blocks of them, e.g. 1,2; all if none")] = "",
    test_blocks: Annotated[str, typer.Option(help="blocks of them, e.g. 3; all if none")] = "",
    train_rows: Annotated[str, typer.Option(help="rows A:B or A%:B% of each, e.g. :80%")] = "",
    test_rows: Annotated[str, typer.Option(help="rows A:B or A%:B% of each, e.g. 80%:")] = "",
    model: Annotated[ModelName, typer.Option()] = ModelName.DEEPFM,
    seed: Annotated[int, typer.Option(min=0, help="of first weights, thinning and delays")] = 0,
    progressive: Annotated[
        bool, typer.Option(help="predict each batch of test rows in order, then learn it")
    ] = False,
    delays: Annotated[
        bool, typer.Option(help="progressive: labels come when the stream would bring them")
    ] = False,
    lag_rows: Annotated[
        int, typer.Option(min=0, help="progressive: rows between a label and its effect")
    ] = 0,
    thin_clicks: Annotated[
        float, typer.Option(min=0, max=1, help="share of the test's clicks that is left")
    ] = 1.0,
    thin_from: Annotated[
        float, typer.Option(min=0, max=1, help="share of the test rows before clicks are thinned")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Train on the first rows, test on later ones; nothing is published."""
    with faults_told():
        for missing in (path for path in (*train_files, *test_files) if not path.is_file()):
            raise SourceError(f"{missing}: no such file")
        if (delays or lag_rows) and not progressive:
            raise SourceError(
                "--delays and --lag-rows say how labels come: with --progressive only"
            )
        train_part = Rows.parse(train_rows, "--train-rows")
        test_part = Rows.parse(test_rows, "--test-rows")
        test = LogBacktest(
            log=LOGS[dataset.value],
            spec=_spec(SharedSettings.load(), DatasetName(dataset.value)),
            architecture=model.value,
            model_settings=OnlineModelSettings.load(seed=seed),
            settings=BootstrapSettings.load(),
            progressive=progressive,
            stream=StreamLabels(delays, lag_rows, thin_clicks, thin_from),
        )
        with display.rows_progress("backtest", None) as progress:
            report = test.run(
                LogFiles(train_files, _blocks(train_blocks), train_part),
                LogFiles(test_files, _blocks(test_blocks), test_part),
                progress,
            )
    if after := report["train_rows_after_test"]:
        print(f"{after} rows of --train are later than the first of --test", file=sys.stderr)
    if as_json:
        print(json.dumps(report))
    else:
        display.show_report(f"backtest {dataset.value}", report)


@app.command(cls=RepeatedOptions)
def study(
    train_files: Annotated[list[Path], typer.Option("--train", help="files of history")],
    dataset: Annotated[LogDataset, typer.Option()] = LogDataset.CRITEO,
    train_blocks: Annotated[str, typer.Option(help="blocks of them, e.g. 1,2; all if none")] = "",
    folds: Annotated[int, typer.Option(min=2, help="of consecutive rows")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="models of each variant and fold")] = 1,
    as_json: AsJson = False,
) -> None:
    """What each part of the model brings, by folds within the training rows (minutes)."""
    with faults_told():
        spec = _spec(SharedSettings.load(), DatasetName(dataset.value))
        rows = LogFiles(train_files, _blocks(train_blocks)).read(LOGS[dataset.value], start_ms=0)
        with display.rows_progress("encoding", len(rows)) as encoded:
            log = encode_log(spec, rows, None, encoded)
        settings = OnlineModelSettings.load()
        chosen = Study(spec, settings, BootstrapSettings.load().later_share, folds, seeds)
        with display.rows_progress("models", len(VARIANTS) * folds * seeds) as progress:
            variants = list(chosen.run(log, progress))
    report = {"folds": folds, "seeds": seeds, "variants": variants}
    if as_json:
        print(json.dumps(report))
    else:
        display.show_report(f"study {dataset.value}", report)


def _spec(shared: SharedSettings, dataset: DatasetName) -> FeatureSpec:
    """CTR_FEATURES if it is set, else the built-in set of the data set."""
    if "features" in shared.model_fields_set:
        return FeatureSpec.load(shared.features)
    log = LOGS.get(cast(LogName, dataset.value))
    name = dataset.value if dataset == DatasetName.WORLD else shared.features
    return FeatureSpec.load(name if log is None else log.features)


def _blocks(text: str) -> frozenset[int] | None:
    try:
        return frozenset(int(part) for part in text.split(",")) if text else None
    except ValueError:
        raise SourceError(f"blocks {text}: expected numbers with commas, e.g. 1,2") from None


def _train_and_publish(
    client: redis.Redis,
    training: Training,
    model: str,
    architecture: Architecture,
    force: bool,
) -> TrainedPackage:
    publisher = Publisher(client, model, training.settings.keep_versions)
    total = rows_to_do(len(training.log), architecture, training.model_settings)
    with display.rows_progress(f"training {model}", total) as progress:
        trained = training.run(model, architecture, live_package(publisher), progress)
    publish_through_gate(publisher, trained.package, training.settings, training.created_ms, force)
    return trained


def _report(trained: TrainedPackage) -> dict[str, Any]:
    return {
        "version": trained.package.manifest.version,
        "rows": trained.rows,
        "seconds": round(trained.seconds, 2),
        "validation": numbers(trained.validation),
    }


if __name__ == "__main__":
    app()
