"""The model and its account: resumed bit by bit, from a snapshot and a log of batches."""

import math

import numpy as np
import pytest

from schemas.layout import Layout
from streaming.learning.learnt_model import LearntModel, SnapshotError
from streaming.learning.progress import HALF_LIFE_SAMPLES, Progress
from streaming.learning.sample_batch import SampleBatch
from streaming.learning.state_log import MAX_BATCHES, MIN_LOG_BYTES, StateLog
from streaming.learning.torch_learners import TorchLearners
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


def test_snapshot_and_log_resume_bit_by_bit(
    model: LearntModel, learners: TorchLearners, layout: Layout, samples: SampleFactory
) -> None:
    model.learn(samples.batch(0, 150))
    snapshot = model.dump()
    log = [samples.batch(start, 90).to_bytes() for start in (150, 240)]
    for data in log:
        model.learn(SampleBatch.from_bytes(data))

    resumed = LearntModel.load(snapshot, learners, layout)
    for data in log:
        resumed.learn(SampleBatch.from_bytes(data))

    assert resumed.dump() == model.dump()
    both = model.learn(samples.batch(330, 200)), resumed.learn(samples.batch(330, 200))
    np.testing.assert_array_equal(both[0].values, both[1].values)
    assert both[0].log_loss == both[1].log_loss
    assert resumed.dump() == model.dump()


def test_another_base_keeps_the_account(
    model: LearntModel,
    new_package: PackageFactory,
    learners: TorchLearners,
    samples: SampleFactory,
) -> None:
    model.learn(samples.batch(0, 100))
    model.adopt(learners.from_package(new_package("next")))
    assert model.learner.base_version == "next"
    assert len(model.learner.touched_rows()[0]) == 0
    assert model.seen.total() == 100


def test_other_bytes_are_no_snapshot(learners: TorchLearners, layout: Layout) -> None:
    for data in (b"", b"CT", b"PK" + bytes(100)):
        with pytest.raises(SnapshotError, match="expected b'CTL1'"):
            LearntModel.load(data, learners, layout)


def test_progress_counts_older_samples_less() -> None:
    progress = Progress()
    assert math.isnan(progress.log_loss)
    assert math.isnan(progress.pcoc)
    progress.add(HALF_LIFE_SAMPLES, log_loss=1.0, predicted=600.0, observed=500.0)
    progress.add(HALF_LIFE_SAMPLES, log_loss=0.4, predicted=300.0, observed=300.0)
    assert progress.log_loss == pytest.approx((0.5 * 1.0 + 0.4) / 1.5)
    assert progress.pcoc == pytest.approx((300 + 300) / (250 + 300))


def test_progress_without_first_labels_keeps_the_loss() -> None:
    progress = Progress()
    progress.add(10, log_loss=0.5, predicted=1.0, observed=1.0)
    progress.add(0, log_loss=float("nan"), predicted=0.0, observed=1.0)
    assert progress.log_loss == pytest.approx(0.5)
    assert progress.pcoc == pytest.approx(0.5)


def test_a_snapshot_is_due_when_the_log_outgrows_it() -> None:
    large = 10 * MIN_LOG_BYTES
    log = StateLog(large)
    assert not log.add(large - 1)
    assert log.add(2)


def test_a_snapshot_is_due_after_many_small_batches() -> None:
    log = StateLog(0)
    assert [log.add(1) for _ in range(MAX_BATCHES + 1)] == [False] * MAX_BATCHES + [True]
