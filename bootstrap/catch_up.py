"""Between the lake and now: a package learns what the topic of labels has beyond the lake."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from bootstrap.sample_topic import SampleTopic
from online_model import learner_state
from online_model.delayed_feedback import LateShare
from online_model.guarded_learner import GuardedLearner
from online_model.learn_report import LearnReport
from online_model.learner import OnlineLearner
from online_model.settings import OnlineModelSettings
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import (
    CALIBRATION_FILE,
    DELAYED_FEEDBACK_FILE,
    ModelPackage,
    file_entries,
)
from schemas.records import TrainingSample

BATCH = 5000
#: A round that takes less time leaves the model that far behind at most.
CLOSE_SECONDS = 2.0


Identity = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """``package`` covers ``samples`` more, not ``withheld`` others: they contradict it, see
    online_model/label_guard.py. ``behind_seconds`` passed since its topic was read."""

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
) -> CaughtUp:
    """Learn all labels that came after the package's watermark, until few are left to come.

    Kafka's clock is never behind event time, so what the lake lacks was written after its
    watermark. Raises TopicError.
    """
    learner, known = GuardedLearner.from_package(package, spec, settings), set[Identity]()
    layout, seen_ms = Layout.of(spec), package.manifest.watermark_ms
    at, watermark_ms, count, withheld = topic.since(seen_ms), seen_ms, 0, 0
    while True:
        start, end = time.monotonic(), topic.end()
        usable = _once(_usable(topic.read(at, end), spec, layout, seen_ms), known)
        while batch := list(islice(usable, BATCH)):
            progress(len(batch))
            if _learn(learner, layout, batch).withheld:
                withheld += len(batch)
                continue
            watermark_ms = max(watermark_ms, *(sample.label_ts for sample in batch))
            count += len(batch)
        at, seconds = end, time.monotonic() - start
        if seconds < CLOSE_SECONDS:
            offsets = {f"{topic.topic}-{partition}": offset for partition, offset in at.items()}
            caught_up = _package_of(learner.learner, package, offsets, watermark_ms)
            return CaughtUp(caught_up, count, withheld, time.monotonic() - start)


def _usable(
    samples: Iterable[TrainingSample], spec: FeatureSpec, layout: Layout, seen_ms: int
) -> Iterator[TrainingSample]:
    for sample in samples:
        same = sample.feature_fingerprint == spec.fingerprint
        if same and sample.label_ts > seen_ms and len(sample.inputs) == layout.dtype.itemsize:
            yield sample


def _once(samples: Iterable[TrainingSample], known: set[Identity]) -> Iterator[TrainingSample]:
    """After a crash of the events job the topic may hold a sample again."""
    for sample in samples:
        identity = sample.request_id, sample.ad_id, sample.kind
        if identity not in known:
            known.add(identity)
            yield sample


def _learn(learner: GuardedLearner, layout: Layout, batch: list[TrainingSample]) -> LearnReport:
    return learner.learn(
        layout.unpack(b"".join(sample.inputs for sample in batch)),
        np.array([sample.label for sample in batch], np.int64),
        [sample.kind for sample in batch],
        np.array([sample.sample_weight for sample in batch], np.float32),
        np.array([sample.position for sample in batch], np.int64),
    )


def _package_of(
    learner: OnlineLearner, base: ModelPackage, offsets: dict[str, int], watermark_ms: int
) -> ModelPackage:
    """The base with table and calibration as they are now."""
    state = learner_state.read(learner.dump())
    files = {name: state.package.files[name] for name in base.files if name in state.package.files}
    share = LateShare(state.early_clicks, state.late_clicks)
    files[DELAYED_FEEDBACK_FILE] = share.to_bytes()
    calibration = Calibration.model_validate_json(files[CALIBRATION_FILE]).shifted(learner.shift)
    files[CALIBRATION_FILE] = calibration.model_dump_json().encode()
    change = {"offsets": offsets, "watermark_ms": watermark_ms, "files": file_entries(files)}
    return ModelPackage.checked(base.manifest.model_copy(update=change), files)
