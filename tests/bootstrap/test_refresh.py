"""The hourly snapshot: dense layers that learnt the newest labels, or a reason for none."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from bootstrap.encoded_log import EncodedLog
from bootstrap.refresh import RefreshRefused, refresh
from bootstrap.sample_topic import SampleTopic
from bootstrap.training import TrainedPackage
from online_model.settings import OnlineModelSettings
from online_model.training.export import load
from schemas.features import FeatureSpec
from schemas.model_package import REFERENCE_FILE, ModelPackage
from schemas.records import TrainingSample
from tests.bootstrap.label_topic import sample, sent

SETTINGS = OnlineModelSettings()


def _labelled(
    log: EncodedLog, spec: FeatureSpec, first_ms: int, turned: bool = False
) -> Iterator[TrainingSample]:
    for number, label in enumerate(log.labels[:1500].astype(int)):
        base = sample("v", 0.1, int(1 - label) if turned else int(label), number=number)
        yield TrainingSample(
            **{
                **{name: getattr(base, name) for name in TrainingSample.__dataclass_fields__},
                "feature_fingerprint": spec.fingerprint,
                "inputs": log.samples[number].tobytes(),
                "label_ts": first_ms + number,
            }
        )


def _dense(package: ModelPackage, spec: FeatureSpec) -> dict[str, NDArray[np.float32]]:
    return dict(load(package, spec).dense_parameters())


def test_dense_layers_learn_and_the_manifest_compares(
    trained: TrainedPackage, log: EncodedLog, spec: FeatureSpec, topic: SampleTopic
) -> None:
    live = trained.package
    sent(topic, list(_labelled(log, spec, live.manifest.watermark_ms + 1)))
    told: list[int] = []
    done = refresh(live, spec, SETTINGS, topic, 10, told.append)
    manifest = done.package.manifest
    assert done.samples == sum(told) == 1500
    assert (manifest.kind, manifest.parent) == ("DENSE", live.manifest.version)
    assert manifest.watermark_ms == live.manifest.watermark_ms + 1500
    assert sum(manifest.offsets.values()) == 1501
    metrics = manifest.metrics
    assert metrics["rows"] == metrics["live_rows"] == 750
    # Rows learn alike on both sides; only the dense layers make the difference.
    assert 0 < abs(metrics["log_loss"] - metrics["live_log_loss"]) < 0.1
    assert metrics["live_log_loss_difference_error"] > 0
    before, after = _dense(live, spec), _dense(done.package, spec)
    assert before.keys() == after.keys()
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    assert done.package.files[REFERENCE_FILE] == live.files[REFERENCE_FILE]


def test_without_clicks_nothing_is_made(
    trained: TrainedPackage, spec: FeatureSpec, topic: SampleTopic
) -> None:
    with pytest.raises(RefreshRefused, match="later half of 0 new labels has 0 clicks"):
        refresh(trained.package, spec, SETTINGS, topic, 1)
