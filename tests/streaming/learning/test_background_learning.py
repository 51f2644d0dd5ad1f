"""Batches that are learnt while Flink goes on: a checkpoint at any moment has all of them."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from schemas.layout import Layout
from streaming.learning.background_learning import BackgroundLearning
from streaming.learning.continual_learning import ContinualLearning
from streaming.learning.learnt_model import LearntModel
from streaming.learning.sample_batch import SampleBatch
from streaming.learning.state_log import MAX_BATCHES
from streaming.learning.torch_learners import TorchLearners
from tests.streaming.learning.contract import PackageFactory
from tests.streaming.learning.sample_factory import SampleFactory
from tests.streaming.learning.states_in_memory import Kept


class Learning(ContinualLearning):
    """Without Redis. ``goes_on`` lets it learn, ``next_base`` is what is served."""

    def __init__(self, model: LearntModel) -> None:
        self.model = model
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.next_base: LearntModel | None = None
        self.error: Exception | None = None

    def adopt_current(self) -> bool:
        base, self.next_base = self.next_base, None
        if base is not None:
            self.model.adopt(base.learner, 0)
        return base is not None

    def learn(self, batch: SampleBatch) -> None:
        assert self.goes_on.wait(30)
        if self.error is not None:
            raise self.error
        self.model.learn(batch)

    def close(self) -> None:
        """Nothing is published."""


@pytest.fixture
def new_model(
    new_package: PackageFactory, learners: TorchLearners, layout: Layout
) -> Callable[[str], LearntModel]:
    return lambda version: LearntModel(learners.from_package(new_package(version)), layout)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def learning(new_model: Callable[[str], LearntModel]) -> Learning:
    return Learning(new_model("base"))


@pytest.fixture
def background(learning: Learning, kept: Kept) -> BackgroundLearning:
    state = kept.state()
    state.save(learning.model)
    return BackgroundLearning(learning, state)


def assert_restored(
    kept: Kept, learning: Learning, learners: TorchLearners, layout: Layout
) -> None:
    restored = kept.state().load(learners, layout)
    assert restored.seen == learning.model.seen
    assert restored.learner.base_version == learning.model.learner.base_version
    for one, other in zip(
        restored.learner.touched_rows(), learning.model.learner.touched_rows(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_batch_that_is_being_learnt_is_in_the_state(
    background: BackgroundLearning,
    learning: Learning,
    kept: Kept,
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
) -> None:
    background.process(samples.batch(0, 40))
    background.wait()
    learning.goes_on.clear()
    background.process(samples.batch(40, 30))
    assert learning.model.seen.total() == 40
    assert kept.state().load(learners, layout).seen.total() == 70
    learning.goes_on.set()
    background.close()
    assert_restored(kept, learning, learners, layout)


def test_another_base_is_saved_before_a_batch_is_learnt_on_it(
    background: BackgroundLearning,
    learning: Learning,
    new_model: Callable[[str], LearntModel],
    kept: Kept,
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
) -> None:
    background.process(samples.batch(0, 40))
    learning.next_base = new_model("next")
    background.process(samples.batch(40, 30))
    background.close()
    assert learning.model.learner.base_version == "next"
    assert_restored(kept, learning, learners, layout)


def test_a_long_log_is_saved(
    background: BackgroundLearning,
    learning: Learning,
    kept: Kept,
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_BATCHES > 2
    monkeypatch.setattr("streaming.learning.state_log.MAX_BATCHES", 2)
    for start in range(0, 150, 30):
        background.process(samples.batch(start, 30))
    background.close()
    assert len(kept.log) == 1
    assert_restored(kept, learning, learners, layout)


def test_what_learning_raised_is_raised_by_the_next_batch(
    background: BackgroundLearning, learning: Learning, samples: SampleFactory
) -> None:
    learning.error = ConnectionError("no Redis")
    background.process(samples.batch(0, 30))
    with pytest.raises(ConnectionError, match="no Redis"):
        background.process(samples.batch(30, 30))
    background.close()
