"""A snapshot whose dense layers have learnt the newest labels: what row deltas cannot move.

Two learners start on the live package and learn the same labels in the same order, each batch
predicted before it is learnt: one moves rows only, as the learning job does, the other one rows and
dense layers. The later half of these predictions says whether the dense layers got any better.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bootstrap.new_labels import NewLabels
from bootstrap.sample_topic import SampleTopic
from bootstrap.side_by_side import SideBySide, is_enough
from bootstrap.training import version_name
from online_model.learning.guarded_learner import GuardedLearner
from online_model.learning.learner import OnlineLearner
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin
from schemas.feature_reference import FeatureReference
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import REFERENCE_FILE, ModelPackage

#: Of the newest samples: on them torch and ONNX Runtime must agree.
CHECK_ROWS = 512


class RefreshRefused(RuntimeError):
    """There is nothing to publish; the message says why. The live model stays."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """``package`` has learnt ``samples`` more than its parent, ``behind_seconds`` ago; its manifest
    has the metrics of both learners on the same rows."""

    package: ModelPackage
    samples: int
    behind_seconds: float


def refresh(
    live: ModelPackage,
    spec: FeatureSpec,
    settings: OnlineModelSettings,
    topic: SampleTopic,
    least_clicks: int,
    progress: Callable[[int], None] = lambda rows: None,
) -> Refreshed:
    """Raises RefreshRefused, TopicError, PackageError or ExportError."""
    rows_only = GuardedLearner.from_package(live, spec, settings)
    both = OnlineLearner.from_package(live, spec, settings, dense=True)
    labels = NewLabels(live, spec, topic)
    watermark_ms, count = live.manifest.watermark_ms, 0
    compared = SideBySide()
    newest = b""
    for batch in labels.batches():
        progress(len(batch))
        report = labels.learn(rows_only, batch)
        if report.withheld:
            raise RefreshRefused("labels contradict the model, see LabelsContradictModel")
        compared.add(own=labels.learn(both, batch), live=report)
        watermark_ms = max(watermark_ms, *(sample.label_ts for sample in batch))
        count += len(batch)
        newest = b"".join(sample.inputs for sample in batch[-CHECK_ROWS:])
    metrics = compared.metrics(share=0.5)
    if not is_enough(metrics, least_clicks):
        clicks, rows = (int(metrics.get(name, 0)) for name in ("clicks", "rows"))
        raise RefreshRefused(
            f"the later half of {count} new labels has {clicks} clicks in {rows} impressions: "
            f"{least_clicks} and some without a click are wanted"
        )
    created_ms = time.time_ns() // 1_000_000
    package = both.exported(
        Origin(
            model=live.manifest.model,
            version=version_name(created_ms),
            created_ms=created_ms,
            parent=live.manifest.version,
            offsets=labels.offsets,
            watermark_ms=watermark_ms,
            metrics=metrics,
            reference=_reference(live),
            kind="DENSE",
        ),
        Layout.of(spec).unpack(newest),
    )
    return Refreshed(package, count, labels.behind_seconds)


def _reference(live: ModelPackage) -> FeatureReference | None:
    """Of the rows that the model was trained on from the beginning."""
    data = live.files.get(REFERENCE_FILE)
    return None if data is None else FeatureReference.model_validate_json(data)
