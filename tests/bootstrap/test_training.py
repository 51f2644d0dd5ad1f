"""From a log to a package that says where it comes from and predicts the log's truth."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.publishing import LIVE
from bootstrap.settings import BootstrapSettings
from bootstrap.training import TrainedPackage, Training, numbers, version_name
from online_model.quality import quality
from online_model.training.delayed_feedback import LateShare
from online_model.training.export import load
from online_model.training.package_scorer import PackageScorer
from online_model.training.trainer import HistoryError
from schemas.features import FeatureSpec
from tests.bootstrap.small_logs import world_log


def test_the_package_predicts_what_it_has_never_seen(
    trained: TrainedPackage, spec: FeatureSpec
) -> None:
    """Trained on the first 2,000 rows of a log that goes on."""
    longer = encode_log(spec, world_log(2500), None)
    labels = longer.labels[2000:]
    p = PackageScorer(trained.package, spec).probabilities(longer.samples[2000:])
    assert roc_auc_score(labels, p) > 0.7
    assert p.sum() == pytest.approx(labels.sum(), rel=0.25)


def test_the_manifest_says_where_it_comes_from(
    trained: TrainedPackage, log: EncodedLog, spec: FeatureSpec
) -> None:
    manifest = trained.package.manifest
    assert (manifest.model, manifest.parent, manifest.kind) == ("deepfm", None, "FULL")
    assert manifest.version == "20251124T042310.007Z"
    assert manifest.created_ms == 1_763_958_190_007
    assert manifest.watermark_ms == log.ts_ms[-1]
    assert manifest.feature_fingerprint == spec.fingerprint
    assert manifest.metrics == numbers(trained.validation)
    assert trained.rows == 2000
    assert trained.validation.rows == 200, "the later half of the last fifth"


def test_the_live_model_is_the_parent_and_is_measured_on_the_same_rows(
    training: Training, trained: TrainedPackage, log: EncodedLog, spec: FeatureSpec
) -> None:
    older = trained.package.manifest.model_copy(update={"watermark_ms": int(log.ts_ms[1799])})
    live = dataclasses.replace(trained.package, manifest=older)
    candidate = training.run("lr", "lr", live).package.manifest
    assert candidate.parent == older.version
    last = log.history(spec).part(1800, 2000)
    served = PackageScorer(trained.package, spec).probabilities(last.samples)
    expected = numbers(quality(last.labels, served, last.weights))
    told = {n.removeprefix(LIVE): v for n, v in candidate.metrics.items() if n.startswith(LIVE)}
    errors = {name: told.pop(name) for name in list(told) if name.endswith("_difference_error")}
    assert told == expected
    assert errors.keys() == {"log_loss_difference_error", "auc_difference_error"}
    assert 0 < errors["log_loss_difference_error"] < 0.1
    again = training.run("lr", "lr", trained.package).package.manifest
    assert "live_log_loss" not in again.metrics, "what it has learnt itself would speak for it"


def test_a_live_model_of_other_features_is_not_compared(
    training: Training, trained: TrainedPackage
) -> None:
    manifest = trained.package.manifest.model_copy(update={"feature_fingerprint": "other"})
    other = dataclasses.replace(trained.package, manifest=manifest)
    candidate = training.run("lr", "lr", other).package.manifest
    assert candidate.parent == manifest.version
    assert not any(name.startswith(LIVE) for name in candidate.metrics)


def test_the_baseline_learns_from_the_same_log(training: Training, spec: FeatureSpec) -> None:
    told: list[int] = []
    baseline = training.run("lr", "lr", None, told.append)
    assert baseline.package.manifest.architecture == "lr"
    assert baseline.package.manifest.parent is None
    assert sum(told) == 8 * 2000
    assert load(baseline.package, spec).shape.dim == 0
    assert (baseline.validation.auc or 0.0) > 0.65


def test_the_late_share_is_the_logs_or_the_settings(
    trained: TrainedPackage, training: Training, log: EncodedLog
) -> None:
    def share(of: TrainedPackage) -> float:
        return LateShare.from_files(dict(of.package.files)).share

    assert log.late_share == 1.0
    assert share(trained) == 1.0
    untold = dataclasses.replace(
        training,
        log=dataclasses.replace(log, late_share=None),
        settings=BootstrapSettings(late_click_share=0.4),
    )
    assert share(untold.run("lr", "lr", None)) == pytest.approx(0.4)


def test_a_log_without_clicks_is_refused(training: Training, log: EncodedLog) -> None:
    empty = dataclasses.replace(log, labels=np.zeros_like(log.labels))
    with pytest.raises(HistoryError, match="no clicks"):
        dataclasses.replace(training, log=empty).run("deepfm", "deepfm", None)


def test_versions_sort_by_time() -> None:
    times = [0, 999, 1000, 1_763_958_190_007, 1_763_958_190_123, 1_763_958_191_000]
    names = [version_name(time) for time in times]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert names[0] == "19700101T000000.000Z"


def test_metrics_that_are_not_defined_are_left_out() -> None:
    without_clicks = numbers(quality(np.zeros(4), np.full(4, 0.1)))
    assert without_clicks.keys() == {"rows", "clicks", "log_loss", "ece"}
