"""A poisoned stream: nothing of it is served, and learning goes on when it is over."""

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from online_model.learning.guarded_learner import GuardedLearner
from online_model.learning.label_guard import GuardLimits, LabelGuard
from online_model.learning.learn_report import LearnReport
from online_model.learning.learner import OnlineLearner
from online_model.quality import log_loss
from schemas.model_package import ModelPackage
from tests.online_model.older_states import dump
from tests.online_model.rows_in_memory import rows_in_memory
from tests.online_model.small_log import SETTINGS, SPEC, clicks, samples

BATCH = 100


class Stream:
    """Batches of first labels; ``served`` has the rows as scorers would have them by deltas."""

    def __init__(self, learner: GuardedLearner | OnlineLearner) -> None:
        self.learner = learner
        self.served: dict[int, NDArray[np.float32]] = {}

    def send(self, number: int, flipped: bool = False) -> LearnReport:
        given = samples(BATCH, seed=number)
        labels = clicks(given, seed=number + 1)
        labels = 1 - labels if flipped else labels
        kinds = np.where(labels > 0, "POSITIVE", "NEGATIVE")
        ones, first = np.ones(BATCH), np.ones(BATCH, np.int64)
        report = self.learner.learn(given, labels, kinds, ones, first)
        self.served.update(zip(report.ids.tolist(), report.values, strict=True))
        return report

    def loss(self) -> float:
        """Of what is served, by true labels of other rows."""
        given = samples(3000, seed=777)
        return log_loss(clicks(given, seed=778), self.learner.predict(given))


def old_state(guarded: GuardedLearner, columns: int = 4) -> bytes:
    """All in one, as older releases wrote it; without columns there are no rows."""
    guard = guarded._guard
    rows = guard.rows[:, :columns] if columns else guard.rows[:0]
    buffer = io.BytesIO()
    np.savez(buffer, armed=guard.armed, withholds=guarded.withholds, rows=rows)
    judged, mark = buffer.getvalue(), guarded.learner.dump_mark()
    head = struct.pack("<4sQQ", b"CTG1", len(judged), len(mark))
    return head + judged + mark + dump(guarded.learner)


@pytest.fixture
def stream(package: ModelPackage) -> Stream:
    stream = Stream(GuardedLearner.from_package(package, SPEC, SETTINGS))
    for number in range(15):
        assert not stream.send(number).withheld
    return stream


def test_a_poisoned_stream_changes_next_to_nothing(stream: Stream, package: ModelPackage) -> None:
    before = stream.loss()
    found = [stream.send(number, flipped=True).withheld for number in range(20, 60)]
    assert found[3:] == [True] * 37
    assert stream.loss() < 1.02 * before
    after = [stream.send(number).withheld for number in range(60, 80)]
    assert not any(after[10:])
    assert stream.loss() < 1.02 * before
    plain = Stream(OnlineLearner.from_package(package, SPEC, SETTINGS))
    for number in range(60):
        plain.send(number, flipped=number >= 20)
    assert plain.loss() > 1.5 * before


def test_what_was_served_of_the_poison_is_taken_back(stream: Stream) -> None:
    for number in range(20, 30):
        stream.send(number, flipped=True)
    ids, values = stream.learner.touched_rows()
    np.testing.assert_array_equal([stream.served[row] for row in ids.tolist()], values)


def test_going_on_from_what_was_saved_gives_the_same_bits(stream: Stream) -> None:
    assert isinstance(stream.learner, GuardedLearner)
    store = rows_in_memory()
    for number, flipped in ((20, True), (21, True), (22, True), (40, False), (41, False)):
        state = stream.learner.save(store)
        again = Stream(GuardedLearner.load(state, SPEC, SETTINGS, store))
        reports = [each.send(number, flipped) for each in (stream, again)]
        assert reports[0].withheld == reports[1].withheld
        np.testing.assert_array_equal(reports[0].values, reports[1].values)
        assert isinstance(again.learner, GuardedLearner)
        assert old_state(again.learner) == old_state(stream.learner)


@pytest.mark.parametrize("columns", [3, 4])
def test_it_goes_on_from_a_state_of_an_older_release(stream: Stream, columns: int) -> None:
    """One of three columns did not know which labels are first ones: they are judged anew."""
    learner = stream.learner
    assert isinstance(learner, GuardedLearner)
    restored = GuardedLearner.load(old_state(learner, columns), SPEC, SETTINGS, rows_in_memory())
    assert old_state(restored) == old_state(learner, 0 if columns == 3 else columns)
    assert restored.armed
    assert not Stream(restored).send(40).withheld


def test_it_goes_on_from_a_state_without_a_guard(package: ModelPackage) -> None:
    plain = OnlineLearner.from_package(package, SPEC, SETTINGS)
    guarded = GuardedLearner.load(dump(plain), SPEC, SETTINGS, rows_in_memory())
    assert (guarded.armed, guarded.withholds) == (False, False)
    assert guarded.base_version == "v1"


def test_another_base_stays_wary(stream: Stream, package: ModelPackage) -> None:
    new = GuardedLearner.from_package(package, SPEC, SETTINGS)
    new.be_wary(armed=True, withholds=True)
    other = Stream(new)
    assert other.send(20, flipped=True).withheld
    for number in range(30, 45):
        other.send(number)
    assert not new.withholds


def test_a_window_that_decides_nothing_is_followed_by_another(package: ModelPackage) -> None:
    guard = LabelGuard(GuardLimits(least=10**6, window=5 * BATCH))
    learner = OnlineLearner.from_package(package, SPEC, SETTINGS)
    learner.mark()
    guarded = GuardedLearner(learner, guard)
    guarded.be_wary(armed=True, withholds=False)
    stream, marks = Stream(guarded), []
    for number in range(12):
        stream.send(number)
        marks.append(len(learner.return_to_mark()))
    assert [number for number, rows in enumerate(marks) if rows == 0] == [4, 9]
