"""Between the lake and now: a package learns what the topic of labels has beyond the lake."""

from collections.abc import Callable
from dataclasses import dataclass

from bootstrap.new_labels import NewLabels
from bootstrap.sample_topic import SampleTopic
from online_model import learner_state
from online_model.delayed_feedback import LateShare
from online_model.guarded_learner import GuardedLearner
from online_model.learner import OnlineLearner
from online_model.settings import OnlineModelSettings
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.model_package import (
    CALIBRATION_FILE,
    DELAYED_FEEDBACK_FILE,
    ModelPackage,
    file_entries,
)


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
    """Learn all labels that came after the package's watermark. Raises TopicError."""
    learner = GuardedLearner.from_package(package, spec, settings)
    labels = NewLabels(package, spec, topic)
    watermark_ms, count, withheld = package.manifest.watermark_ms, 0, 0
    for batch in labels.batches():
        progress(len(batch))
        if labels.learn(learner, batch).withheld:
            withheld += len(batch)
            continue
        watermark_ms = max(watermark_ms, *(sample.label_ts for sample in batch))
        count += len(batch)
    caught_up = _package_of(learner.learner, package, labels.offsets, watermark_ms)
    return CaughtUp(caught_up, count, withheld, labels.behind_seconds)


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
