"""The model and its account."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from online_model.learning.learn_report import LearnReport
from schemas.layout import Layout
from streaming.learning.learnt_model import LearntModel, SnapshotError
from streaming.learning.progress import HALF_LIFE_SAMPLES, Progress
from streaming.learning.torch_learners import TorchLearners
from tests.online_model.rows_in_memory import rows_in_memory
from tests.streaming.learning.contract import PackageFactory
from tests.streaming.learning.sample_factory import SampleFactory


@pytest.fixture
def model(new_package: PackageFactory, learners: TorchLearners, layout: Layout) -> LearntModel:
    return LearntModel(learners.from_package(new_package("base")), layout)


def test_each_sample_is_counted_once(model: LearntModel, samples: SampleFactory) -> None:
    model.learn(samples.batch(0, 70))
    model.learn(samples.batch(70, 30))
    assert model.seen == {"POSITIVE": 15, "NEGATIVE": 85}
    assert model.watermark_ms == samples.record(99).label_ts


def test_another_base_keeps_the_account(
    model: LearntModel,
    new_package: PackageFactory,
    learners: TorchLearners,
    samples: SampleFactory,
) -> None:
    model.learn(samples.batch(0, 100))
    model.adopt(learners.from_package(new_package("next")), 0)
    assert model.learner.base_version == "next"
    assert len(model.learner.touched_rows()[0]) == 0
    assert model.seen.total() == 100


def test_other_bytes_are_no_snapshot(learners: TorchLearners, layout: Layout) -> None:
    for data in (b"", b"CT", b"PK" + bytes(100)):
        with pytest.raises(SnapshotError, match="expected b'CTL1'"):
            LearntModel.load(data, rows_in_memory(), learners, layout)


def report(rows: int, clicks: int, predicted: float) -> LearnReport:
    """Of first labels that all got one prediction."""
    return LearnReport(
        ids=np.zeros(0, np.int32),
        values=np.zeros((0, 5), np.float32),
        predicted=np.full(rows, predicted),
        labels=(np.arange(rows) < clicks).astype(np.float32),
        weights=np.ones(rows, np.float32),
        first=np.ones(rows, np.bool_),
    )


def test_progress_counts_older_samples_less() -> None:
    progress = Progress()
    assert math.isnan(progress.log_loss)
    assert math.isnan(progress.pcoc)
    progress.add(report(HALF_LIFE_SAMPLES, clicks=5_000, predicted=0.3))
    progress.add(report(HALF_LIFE_SAMPLES, clicks=3_000, predicted=0.1))
    losses = [0.25 * -math.log(0.3) + 0.75 * -math.log(0.7)]
    losses += [0.15 * -math.log(0.1) + 0.85 * -math.log(0.9)]
    assert progress.log_loss == pytest.approx((0.5 * losses[0] + losses[1]) / 1.5)
    assert progress.pcoc == pytest.approx((3_000 + 2_000) / (2_500 + 3_000))


def test_a_negative_counts_for_those_that_were_dropped() -> None:
    """One click and nine negatives of ten that each stand for ten: a rate of 1 in 91."""
    progress, made = Progress(), report(10, clicks=1, predicted=1 / 91)
    weights = np.where(made.labels > 0.5, 1, 10).astype(np.float32)
    for _ in range(2):
        progress.add(replace(made, weights=weights))
    assert progress.log_loss == pytest.approx(-(math.log(1 / 91) + 90 * math.log(90 / 91)) / 91)
    assert progress.pcoc == pytest.approx(1.0)


def test_progress_without_first_labels_keeps_the_loss() -> None:
    progress = Progress()
    progress.add(report(10, clicks=1, predicted=0.1))
    before = progress.log_loss
    late_click = replace(report(1, clicks=1, predicted=0.1), first=np.zeros(1, np.bool_))
    progress.add(late_click)
    assert progress.log_loss == pytest.approx(before)
    assert progress.pcoc == pytest.approx(0.5)


def test_progressive_auc_is_that_of_the_scores() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(-2, 1, 5_000)
    labels = (random.random(5_000) < expit(logits)).astype(np.float32)
    progress = Progress()
    for part in np.split(np.arange(5_000), 5):
        made = report(1_000, 0, 0.5)
        progress.add(replace(made, labels=labels[part], predicted=expit(logits[part])))
    weights = 0.5 ** ((4 - np.arange(5_000) // 1_000) * 1_000 / HALF_LIFE_SAMPLES)
    expected = roc_auc_score(labels, logits, sample_weight=weights)
    assert progress.auc == pytest.approx(expected, abs=1e-3)
