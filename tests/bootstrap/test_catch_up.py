"""What the topic has beyond the lake is learnt, once, and the package says up to where."""

from dataclasses import replace
from itertools import pairwise, starmap

import numpy as np
import pytest

from bootstrap.catch_up import catch_up
from bootstrap.encoded_log import EncodedLog
from bootstrap.sample_topic import SampleTopic
from bootstrap.training import TrainedPackage
from online_model.learning.learner import OnlineLearner
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage
from schemas.records import TrainingSample
from tests.bootstrap.label_topic import sample, sent

SETTINGS = OnlineModelSettings()


def samples_of(
    log: EncodedLog, spec: FeatureSpec, first_ms: int, rows: int = 200
) -> list[TrainingSample]:
    return [
        TrainingSample(
            **{
                **{name: getattr(base, name) for name in TrainingSample.__dataclass_fields__},
                "feature_fingerprint": spec.fingerprint,
                "inputs": log.samples[number].tobytes(),
                "label_ts": first_ms + number,
            }
        )
        for number in range(rows)
        for base in [sample("v", 0.1, int(log.labels[number]), number=number)]
    ]


def test_it_learns_what_is_new(
    trained: TrainedPackage, log: EncodedLog, spec: FeatureSpec, topic: SampleTopic
) -> None:
    package = trained.package
    watermark_ms = package.manifest.watermark_ms
    old = samples_of(log, spec, watermark_ms - 500)
    new = samples_of(log, spec, watermark_ms + 1)
    foreign = [sample("v", 0.1, 1)]
    repeated = new[:20]
    sent(topic, [*old, *new, *repeated, *foreign])
    told: list[int] = []
    done = catch_up(package, spec, SETTINGS, topic, told.append)
    assert done.samples == sum(told) == 200
    assert done.withheld == 0
    assert done.behind_seconds < 10
    manifest = done.package.manifest
    assert manifest.watermark_ms == watermark_ms + 200
    assert sum(manifest.offsets.values()) == 422
    assert set(manifest.offsets) == {f"{topic.topic}-0", f"{topic.topic}-1"}
    assert (manifest.version, manifest.metrics) == (
        package.manifest.version,
        package.manifest.metrics,
    )
    learner = OnlineLearner.from_package(package, spec, SETTINGS)
    learner.learn(
        log.samples[:200],
        log.labels[:200],
        ["POSITIVE" if label else "NEGATIVE" for label in log.labels[:200]],
        np.ones(200),
        np.ones(200, int),
    )
    again = OnlineLearner.from_package(done.package, spec, SETTINGS)
    expected = learner.predict(log.samples[:200])
    assert again.predict(log.samples[:200]) == pytest.approx(expected, rel=1e-5)
    assert not np.allclose(
        expected, OnlineLearner.from_package(package, spec, SETTINGS).predict(log.samples[:200])
    )


def learnt(package: ModelPackage, log: EncodedLog, spec: FeatureSpec, *edges: int) -> float:
    """Log loss over the last part of the log, predicted before it was learnt."""
    learner = OnlineLearner.from_package(package, spec, SETTINGS)
    for part in starmap(slice, pairwise(edges)):
        labels = log.labels[part]
        kinds = ["POSITIVE" if label else "NEGATIVE" for label in labels]
        ones = np.ones(len(labels))
        report = learner.learn(log.samples[part], labels, kinds, ones, ones.astype(int))
    return report.log_loss


@pytest.mark.parametrize(("rows", "is_compared"), [(1200, True), (200, False)])
def test_what_is_new_to_the_live_model_too_compares_the_two(
    trained: TrainedPackage,
    log: EncodedLog,
    spec: FeatureSpec,
    topic: SampleTopic,
    rows: int,
    is_compared: bool,
) -> None:
    """The live one has learnt the first 40 of these labels, the lake's model none."""
    package = trained.package
    watermark_ms = package.manifest.watermark_ms
    change = {"version": "live", "watermark_ms": watermark_ms + 40}
    live = replace(package, manifest=package.manifest.model_copy(update=change))
    sent(topic, samples_of(log, spec, watermark_ms + 1, rows))
    done = catch_up(package, spec, SETTINGS, topic, live=live)
    metrics = done.package.manifest.metrics
    assert done.samples == rows
    if is_compared:
        assert metrics["rows"] == metrics["live_rows"] == rows - 40
        own = learnt(package, log, spec, 0, 40, rows)
        other = learnt(live, log, spec, 40, rows)
        assert metrics["log_loss"] == pytest.approx(own)
        assert metrics["live_log_loss"] == pytest.approx(other)
        assert own != pytest.approx(other)
        assert metrics["live_log_loss_difference_error"] > 0
    else:
        assert metrics == package.manifest.metrics


def test_a_live_model_that_cannot_be_compared_changes_no_portion(
    trained: TrainedPackage, log: EncodedLog, spec: FeatureSpec, topic: SampleTopic
) -> None:
    """Rows are learnt in steps of a batch: in other portions they give another table."""
    package = trained.package
    watermark_ms = package.manifest.watermark_ms
    change = {"watermark_ms": watermark_ms + 40, "feature_fingerprint": "other"}
    live = replace(package, manifest=package.manifest.model_copy(update=change))
    sent(topic, samples_of(log, spec, watermark_ms + 1))
    alone, beside = (catch_up(package, spec, SETTINGS, topic, live=each) for each in (None, live))
    assert alone.package.files == beside.package.files


def test_labels_that_contradict_the_model_are_withheld_and_counted(
    monkeypatch: pytest.MonkeyPatch,
    trained: TrainedPackage,
    log: EncodedLog,
    spec: FeatureSpec,
    topic: SampleTopic,
) -> None:
    """The first half of the rows agrees; from there on every label is the opposite."""
    monkeypatch.setattr("bootstrap.new_labels.BATCH", 100)
    flipped = log.labels.copy()
    flipped[1000:] = 1.0 - flipped[1000:]
    first_ms = trained.package.manifest.watermark_ms + 1
    given = samples_of(replace(log, labels=flipped), spec, first_ms, rows=2000)
    sent(topic, given, partitions=1)
    done = catch_up(trained.package, spec, SETTINGS, topic)
    assert done.samples + done.withheld == 2000
    assert 500 < done.withheld <= 1000
    assert done.package.manifest.watermark_ms < first_ms + 1500
