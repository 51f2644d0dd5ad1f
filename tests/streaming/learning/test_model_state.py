"""A model in keyed states: resumed bit by bit, from what was saved and the batches since."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from online_model.learning.guarded_learner import GuardedLearner
from online_model.learning.learner import OnlineLearner
from online_model.learning.row_store import RowStore
from schemas.layout import Layout
from streaming.learning.learnt_model import LearntModel
from streaming.learning.state_log import MAX_BATCHES, MAX_LOG_BYTES, MIN_LOG_BYTES, StateLog
from streaming.learning.torch_learners import TorchLearners
from tests.online_model.older_states import dump
from tests.streaming.learning.contract import PackageFactory
from tests.streaming.learning.sample_factory import SampleFactory
from tests.streaming.learning.states_in_memory import Kept


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def new_model(
    new_package: PackageFactory, learners: TorchLearners, layout: Layout
) -> Callable[[str], LearntModel]:
    return lambda version: LearntModel(learners.from_package(new_package(version)), layout)


def bits(model: LearntModel) -> tuple[object, ...]:
    """All of a model."""
    learner = model.learner
    assert isinstance(learner, GuardedLearner)
    account = (model.seen, model.refused, model.watermark_ms, model.progress)
    return *account, learner.armed, dump(learner.learner), learner.learner.dump_mark()


@pytest.mark.parametrize("save_after", [0, 150, 240, 330])
def test_it_resumes_bit_by_bit(
    kept: Kept,
    new_model: Callable[[str], LearntModel],
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
    save_after: int,
) -> None:
    model, state = new_model("base"), kept.state()
    assert state.is_empty
    state.save(model)
    for start in (0, 150, 240):
        batch = samples.batch(start, 90)
        model.learn(batch)
        if start + 90 == save_after + 90 * (save_after == 0):
            state.save(model)
        else:
            assert state.note(batch)

    resumed = kept.state().load(learners, layout)
    assert bits(resumed) == bits(model)
    reports = [each.learn(samples.batch(330, 200)) for each in (model, resumed)]
    np.testing.assert_array_equal(reports[0].values, reports[1].values)
    assert reports[0].log_loss == reports[1].log_loss
    assert bits(resumed) == bits(model)


def test_a_state_of_an_older_release_is_read_and_goes_on_as_this_one(
    kept: Kept,
    new_model: Callable[[str], LearntModel],
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It had rows in the snapshot and the batches since in a list."""
    model = new_model("base")
    model.learn(samples.batch(0, 150))
    with monkeypatch.context() as older:
        older.setattr(OnlineLearner, "save", lambda self, store: dump(self))
        kept.snapshot.update(model.save(kept.rows))
    assert kept.rows.written_bytes == 0
    old = samples.batch(150, 90)
    model.learn(old)
    kept.batches.elements.append(old.to_bytes())

    state = kept.state()
    resumed = state.load(learners, layout)
    assert bits(resumed) == bits(model)
    assert state.noted_batches == 1
    for each in (model, resumed):
        each.learn(samples.batch(240, 50))
    assert state.note(samples.batch(240, 50))
    assert bits(kept.state().load(learners, layout)) == bits(model)

    state.save(resumed)
    assert (kept.batches.elements, kept.log) == ([], {})
    assert kept.rows.written_bytes > 0
    assert bits(kept.state().load(learners, layout)) == bits(model)


def without_saved_bytes(snapshot: bytes) -> bytes:
    """As a release wrote it that did not say how much."""
    magic, head_bytes = struct.unpack_from("<4sI", snapshot)
    account = json.loads(snapshot[8 : 8 + head_bytes])
    del account["saved_bytes"]
    head = json.dumps(account).encode()
    return struct.pack("<4sI", magic, len(head)) + head + snapshot[8 + head_bytes :]


@pytest.mark.parametrize("is_said", [True, False])
def test_how_long_the_log_may_get_survives_a_restore(
    kept: Kept,
    new_model: Callable[[str], LearntModel],
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
    monkeypatch: pytest.MonkeyPatch,
    is_said: bool,
) -> None:
    """A state of an older release does not say what a save writes: the model is saved at once."""
    model, state = new_model("base"), kept.state()
    write = OnlineLearner.save

    def write_much(learner: OnlineLearner, store: RowStore) -> bytes:
        store.put_block(-1, bytes(10 * MIN_LOG_BYTES))
        return write(learner, store)

    monkeypatch.setattr(OnlineLearner, "save", write_much)
    state.save(model)
    if not is_said:
        kept.snapshot.held = without_saved_bytes(kept.snapshot.held or b"")
    batch = samples.batch(0, 20)
    click_ts = np.zeros(2 * MIN_LOG_BYTES // 8, np.int64)
    kept.log.put(0, replace(batch, click_ts=click_ts).to_bytes())
    state = kept.state()
    state.load(learners, layout)
    assert state.note(batch) == is_said
    assert state.noted_batches == (2 if is_said else 1)


def test_another_base_takes_the_place_of_the_one_before(
    kept: Kept,
    new_model: Callable[[str], LearntModel],
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
) -> None:
    model, state = new_model("base"), kept.state()
    model.learn(samples.batch(0, 90))
    state.save(model)
    model.adopt(new_model("next").learner, 0)
    state.save(model)
    assert bits(kept.state().load(learners, layout)) == bits(model)


def test_the_model_is_saved_when_the_log_outgrows_what_was_saved() -> None:
    large = 10 * MIN_LOG_BYTES
    log = StateLog(large)
    log.add(large - 1)
    assert log.has_room(1)
    assert not log.has_room(2)


def test_a_batch_that_is_larger_than_the_log_is_noted_alone() -> None:
    log = StateLog(0)
    assert log.has_room(10 * MIN_LOG_BYTES)
    log.add(10 * MIN_LOG_BYTES)
    assert not log.has_room(1)


def test_the_model_is_saved_when_a_restore_would_take_long() -> None:
    log = StateLog(0)
    for _ in range(MAX_BATCHES):
        assert log.has_room(1)
        log.add(1)
    assert not log.has_room(1)
    log = StateLog(2 * MAX_LOG_BYTES)
    log.add(1)
    assert not log.has_room(MAX_LOG_BYTES)
