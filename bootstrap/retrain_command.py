"""The command ``retrain``: from the lake to a package, a report and, if wanted, the live model."""

import json
import math
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap import display
from bootstrap.announcer import announce
from bootstrap.catch_up import catch_up
from bootstrap.command import AsJson, Force, ModelName, connected, faults_told
from bootstrap.lake_stream import LakeStream
from bootstrap.package_folder import write_package
from bootstrap.publisher import Publisher
from bootstrap.publishing import LIVE, GateError, live_package, publish_through_gate
from bootstrap.report import Report
from bootstrap.retrain import Retrain, Retrained, RetrainOptions
from bootstrap.sample_topic import SampleTopic
from bootstrap.settings import BootstrapSettings
from bootstrap.training import live_metrics, numbers, version_name
from online_model.history import History
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin, export
from online_model.training.package_scorer import PackageScorer
from online_model.training.peers import Peers
from schemas.feature_reference import FeatureReference
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import ModelPackage
from schemas.settings import SharedSettings
from streaming.settings import StreamingSettings

HOUR_MS = 3_600_000


def retrain(
    lake: Annotated[Path, typer.Option(help="folder of the lake")],
    output: Annotated[Path, typer.Option(help="folder for package, report and checkpoint")],
    model: Annotated[str, typer.Option(help="name of the model; default CTR_MODEL")] = "",
    architecture: Annotated[ModelName, typer.Option()] = ModelName.DEEPFM,
    validate_hours: Annotated[int, typer.Option(min=1, help="last hours, for validation")] = 24,
    keep_negatives: Annotated[
        float, typer.Option(min=0.0001, max=1, help="share of negatives that is learnt")
    ] = 0.1,
    sync_rows: Annotated[
        int, typer.Option(min=1, help="torchrun: rows of a process between two joins of hosts")
    ] = 1_000,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="between checkpoints; a killed retrain goes on from one")
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    publish: Annotated[
        bool, typer.Option("--publish", help="catch up with Kafka, pass the gate, go live")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train from the whole lake, in bounded memory; torchrun -m bootstrap retrain: on N cores."""
    with faults_told():
        start, cpu = time.monotonic(), time.process_time()
        shared, settings = SharedSettings.load(), BootstrapSettings.load()
        name = model or shared.model
        output.mkdir(parents=True, exist_ok=True)
        spec, peers = FeatureSpec.load(shared.features), Peers.join()
        try:
            retraining = Retrain(
                LakeStream(lake, spec, keep_negatives, _window_hours()),
                architecture.value,
                OnlineModelSettings.load(seed=seed).over_the_lake(architecture.value),
                RetrainOptions(
                    validate_hours, sync_rows, _checkpoint(output, name), checkpoint_seconds
                ),
                peers,
            )
            shown = retraining.rows() if peers.rank == 0 else None
            with display.rows_progress(f"retraining {name}", shown, peers.rank == 0) as progress:
                retrained = retraining.run(progress)
            usage = peers.gathered((time.process_time() - cpu, _peak_memory_mb()))
        finally:
            peers.leave()
        if retrained is None:
            peers.end()
        told = {
            "rows_learnt": retrained.rows_learnt,
            "seconds": round(time.monotonic() - start, 2),
            "cpu_seconds": [round(seconds, 2) for seconds, _ in usage],
            "peak_memory_mb": [memory for _, memory in usage],
        }
        report = told | _finished(retrained, name, spec, output, shared, settings, publish, force)
    if as_json:
        print(json.dumps(report))
    else:
        display.show_report(f"retrain {name}", report)


def _finished(
    retrained: Retrained,
    name: str,
    spec: FeatureSpec,
    output: Path,
    shared: SharedSettings,
    settings: BootstrapSettings,
    publish: bool,
    force: bool,
) -> dict[str, Any]:
    """Export, report and, if wanted, catch up and publish; returns what is told."""
    if not publish:
        package = _exported(retrained, name, spec, settings, None)
        folder = write_package(package, output)
        _checkpoint(output, name).unlink(missing_ok=True)
        return _reported(retrained, package, spec, folder)
    told: dict[str, Any] = {}
    with connected(shared) as client:
        publisher = Publisher(client, name, settings.keep_versions)
        live, topic = live_package(publisher), SampleTopic(shared.kafka)
        package = _exported(retrained, name, spec, settings, live)
        caught_up = catch_up(package, spec, OnlineModelSettings.load(), topic, live=live)
        told["samples_caught_up"] = caught_up.samples
        told["samples_withheld"] = caught_up.withheld
        told["behind_seconds"] = round(caught_up.behind_seconds, 2)
        package = caught_up.package
        told["compared"] = f"{LIVE}log_loss" in package.manifest.metrics
        folder = write_package(package, output)
        try:
            told["overridden"] = _published(publisher, package, settings, force, output)
            announce(shared.kafka, package.manifest, package.manifest.created_ms)
        finally:
            # Not before: what is published should be no older than it must.
            told |= _reported(retrained, package, spec, folder)
    return told


def _published(
    publisher: Publisher,
    package: ModelPackage,
    settings: BootstrapSettings,
    force: bool,
    output: Path,
) -> list[str]:
    """What the gate had against it. Once the gate has decided, the training is done with: a
    checkpoint that stayed would have the next one end where it ends. Without Redis it stays."""
    checkpoint = _checkpoint(output, publisher.model)
    try:
        overridden = publish_through_gate(
            publisher, package, settings, package.manifest.created_ms, force
        )
    except GateError:
        checkpoint.unlink(missing_ok=True)
        raise
    checkpoint.unlink(missing_ok=True)
    return overridden


def _exported(
    retrained: Retrained,
    name: str,
    spec: FeatureSpec,
    settings: BootstrapSettings,
    live: ModelPackage | None,
) -> ModelPackage:
    tested, now_ms = retrained.tested, time.time_ns() // 1_000_000
    measured: dict[str, float] = {}
    if live is not None:
        # What the live model has learnt itself would speak for it.
        unseen = tested.after(live.manifest.watermark_ms)
        if len(unseen.labels):
            tested = unseen
            rows = History(tested.samples, tested.labels, tested.weights)
            measured = live_metrics(live, spec, rows, tested.probabilities)
    return export(
        retrained.model,
        retrained.calibration,
        retrained.late_clicks,
        Origin(
            model=name,
            version=version_name(now_ms),
            created_ms=now_ms,
            parent=None if live is None else live.manifest.version,
            watermark_ms=retrained.watermark_ms,
            metrics=numbers(tested.quality()) | measured,
            reference=FeatureReference.of(Layout.of(spec), retrained.tested.samples),
        ),
        retrained.tested.samples[-settings.check_rows :],
    )


def _window_hours() -> int:
    """In which the events job corrects a label."""
    return math.ceil(StreamingSettings.load().attribution_window_ms / HOUR_MS)


def _checkpoint(output: Path, name: str) -> Path:
    return output / f"{name}.checkpoint"


def _reported(
    retrained: Retrained,
    package: ModelPackage,
    spec: FeatureSpec,
    folder: Path,
) -> dict[str, Any]:
    """The report as a file beside the package; returns where both are and how good."""
    report = folder.with_name(f"{folder.name}.html")
    manifest = package.manifest
    Report(
        title=f"{manifest.model} {manifest.version}",
        facts={
            "parent": manifest.parent,
            "rows learnt": retrained.rows_learnt,
            "late share of clicks": retrained.late_clicks.share.share,
            "covers labels until": datetime.fromtimestamp(manifest.watermark_ms / 1000, UTC),
            **manifest.metrics,
        },
        tested=retrained.tested,
        scorer=PackageScorer(package, spec),
        layout=Layout.of(spec),
        curve=retrained.curve,
    ).write(report)
    return {"package": str(folder), "report": str(report), **manifest.metrics}


def _peak_memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
