"""The learner's state: all of it comes back, and damage is told from state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_model.learning import learner_state
from online_model.learning.learner import OnlineLearner
from online_model.learning.learner_state import StateError
from online_model.training.delayed_feedback import LateShare
from online_model.training.late_clicks import LateClicks
from schemas.model_package import ModelPackage, file_entries
from tests.online_model.older_states import dump, write
from tests.online_model.small_log import SETTINGS, SPEC


@pytest.fixture(scope="module")
def state(package: ModelPackage) -> bytes:
    return dump(OnlineLearner.from_package(package, SPEC, SETTINGS))


def test_all_of_it_comes_back(package: ModelPackage) -> None:
    table = np.zeros((20, 5), np.float32)
    table[[3, 7]] = 0.1
    curvature = np.zeros((20, 2), np.float32)
    curvature[11] = 2.5
    touched = np.array([3, 11], np.int32)
    late_clicks = LateClicks(LateShare(0.1, 1 / 3), np.arange(20, dtype=np.float32))
    late_clicks.curvature[5] = 1.5
    rate = [[0.1, 1 / 3], [1e300, 2.0], [0.5, 0.5]]
    data = write(package, table, curvature, touched, 42, late_clicks, rate)
    back = learner_state.read(data)
    assert (back.samples_seen, back.late_share) == (42, LateShare(0.1, 1 / 3))
    assert back.touched.tolist() == [3, 11]
    assert back.package.manifest == package.manifest
    restored = LateClicks.from_files(back.package.files, rows=20)
    assert (restored.weights[5], restored.curvature[5]) == (5.0, 1.5)
    assert back.base_rate == rate
    again = write(back.package, table, curvature, touched, 42, late_clicks, rate)
    assert again == data


def test_it_keeps_every_file_of_the_base(package: ModelPackage, state: bytes) -> None:
    back = learner_state.read(state).package.files
    assert back.keys() == package.files.keys()
    assert file_entries(back)["tower.onnx"] == package.manifest.files["tower.onnx"]


def test_another_format_is_named(package: ModelPackage) -> None:
    newer = dump(OnlineLearner.from_package(package, SPEC, SETTINGS), "ctr-learner-9")
    with pytest.raises(
        StateError, match="format ctr-learner-9, this is ctr-learner-1 or ctr-learner-2"
    ):
        learner_state.read(newer)


@pytest.mark.parametrize("keep", [0, 2, 100, 5000])
def test_cut_state_is_refused(state: bytes, keep: int) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        learner_state.read(state[:keep])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StateError):
        learner_state.read(data)


def test_a_flipped_bit_is_found(state: bytes) -> None:
    at = state.index(b"ctr-learner-1") + 4
    with pytest.raises(StateError, match="CRC"):
        learner_state.read(state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :])
