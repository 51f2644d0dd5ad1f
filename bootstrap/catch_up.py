"""Between the lake and now: a package learns what the topic of labels has beyond the lake.

A live model that has learnt all of the lake is met here: what came after its watermark, too, is new
to both, and both predict it before they learn it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bootstrap.new_labels import NewLabels
from bootstrap.sample_topic import SampleTopic
from bootstrap.side_by_side import SideBySide, is_enough
from online_model.learning.guarded_learner import GuardedLearner
from online_model.learning.learner import OnlineLearner
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage, file_entries
from schemas.records import TrainingSample


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """``package`` covers ``samples`` more, not ``withheld`` others: they contradict it, see
    online_model/learning/label_guard.py. ``behind_seconds`` passed since its topic was read. Its
    metrics are those of the labels that were new to it and to the live model, if these had clicks
    enough."""

    package: ModelPackage
    samples: int
    withheld: int
    behind_seconds: float


def catch_up(
    package: ModelPackage,
    spec: FeatureSpec,
    settings: OnlineModelSettings,
    topic: SampleTopic,
    progress: Callable[[int], None] = lambda rows: None,
    live: ModelPackage | None = None,
) -> CaughtUp:
    """Learn all labels that came after the package's watermark, beside the ``live`` one if its own
    is no earlier. Raises TopicError."""
    learner = GuardedLearner.from_package(package, spec, settings)
    other = None if live is None else _beside(package, live, spec, settings)
    labels, compared = NewLabels(package, spec, topic), SideBySide()
    watermark_ms, count, withheld = package.manifest.watermark_ms, 0, 0
    # Without another to compare with, nothing is split.
    since_ms = math.inf if live is None or other is None else live.manifest.watermark_ms
    for batch in labels.batches():
        progress(len(batch))
        for part, is_new in _split(batch, since_ms):
            report = labels.learn(learner, part)
            if other is not None and is_new:
                learnt = labels.learn(other, part)
                if not report.withheld:
                    compared.add(own=report, live=learnt)
            if report.withheld:
                withheld += len(part)
                continue
            watermark_ms = max(watermark_ms, *(sample.label_ts for sample in part))
            count += len(part)
    metrics = compared.metrics()
    caught_up = _package_of(
        learner.learner,
        package,
        offsets=labels.offsets,
        watermark_ms=watermark_ms,
        metrics=metrics if is_enough(metrics) else package.manifest.metrics,
    )
    return CaughtUp(caught_up, count, withheld, labels.behind_seconds)


def _beside(
    package: ModelPackage, live: ModelPackage, spec: FeatureSpec, settings: OnlineModelSettings
) -> OnlineLearner | None:
    """Rows only, as the learning job moves them; None where the two cannot be compared."""
    own, other = package.manifest, live.manifest
    same = other.feature_fingerprint == own.feature_fingerprint
    if not same or other.watermark_ms < own.watermark_ms:
        return None
    return OnlineLearner.from_package(live, spec, settings)


def _split(
    batch: list[TrainingSample], since_ms: float
) -> Iterator[tuple[list[TrainingSample], bool]]:
    """What a watermark covers, and what came after it."""
    for is_new in (False, True):
        part = [sample for sample in batch if (sample.label_ts > since_ms) == is_new]
        if part:
            yield part, is_new


def _package_of(learner: OnlineLearner, base: ModelPackage, **change: Any) -> ModelPackage:
    """The base with table and calibration as they are now, and a ``change`` of its manifest."""
    files = learner.files()
    change["files"] = file_entries(files)
    return ModelPackage.checked(base.manifest.model_copy(update=change), files)
