"""The helper finds out who clicks late, and is the share where it knows nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from online_model.training.delayed_feedback import LateShare
from online_model.training.late_clicks import LATE_CLICKS_FILE, LateClicks, from_history
from schemas.model_package import DELAYED_FEEDBACK_FILE, PackageError

ROWS = 50
RATES = np.array([0.2, 0.5, 0.8])


def clicks(number: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of two fields, of which the first tells how many are late."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, number)
    return np.column_stack([kind, random.integers(10, 50, number)]), random.random(number) < RATES[
        kind
    ]


def test_it_tells_who_clicks_late() -> None:
    learnt = from_history(*clicks(6000, seed=1), ROWS)
    ids, _ = clicks(3000, seed=2)
    d = learnt.shares(ids)
    for kind, rate in enumerate(RATES):
        assert d[ids[:, 0] == kind].mean() == pytest.approx(rate, abs=0.06)


def test_what_it_never_saw_has_the_share_of_all() -> None:
    learnt = LateClicks.assumed(0.3, ROWS)
    assert learnt.shares(np.array([[1, 20], [2, 30]])) == pytest.approx(0.3)
    learnt.learn(np.zeros((0, 2), np.int64), np.zeros(0, np.bool_), np.zeros(0), memory=100)
    assert learnt.share == LateShare.assumed(0.3)


def test_the_share_follows_the_clicks() -> None:
    learnt = LateClicks.assumed(0.3, ROWS)
    ids, _ = clicks(400, seed=3)
    learnt.learn(ids, np.ones(400, np.bool_), np.ones(400), memory=np.inf)
    assert learnt.share.share == pytest.approx((60 + 400) / 600)


def test_it_travels_in_a_package() -> None:
    learnt = from_history(*clicks(500, seed=1), ROWS)
    files = {
        DELAYED_FEEDBACK_FILE: learnt.share.to_bytes(),
        LATE_CLICKS_FILE: learnt.weights_file(),
    }
    back = LateClicks.from_files(files, ROWS)
    assert np.array_equal(back.weights, learnt.weights)
    assert np.array_equal(back.curvature, learnt.curvature)
    del files[LATE_CLICKS_FILE]
    assert not LateClicks.from_files(files, ROWS).weights.any()


@pytest.mark.parametrize("data", [b"", b"no numpy"])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    files = {DELAYED_FEEDBACK_FILE: LateShare(1, 1).to_bytes(), LATE_CLICKS_FILE: data}
    with pytest.raises(PackageError, match=LATE_CLICKS_FILE):
        LateClicks.from_files(files, ROWS)


def test_rows_of_another_table_are_refused() -> None:
    learnt = from_history(*clicks(500, seed=1), ROWS)
    files = {
        DELAYED_FEEDBACK_FILE: learnt.share.to_bytes(),
        LATE_CLICKS_FILE: learnt.weights_file(),
    }
    with pytest.raises(PackageError, match="out of bounds"):
        LateClicks.from_files(files, rows=5)


def test_a_field_that_says_nothing_gets_no_weights() -> None:
    """The first of three fields tells who clicks late, the others are chance."""
    generator = np.random.default_rng(0)
    ids = generator.integers(0, 20, (4000, 3)) + np.array([0, 20, 40])
    late = generator.random(4000) < np.where(ids[:, 0] < 10, 0.8, 0.2)
    learnt = from_history(ids, late, 60)
    telling, *chance = learnt.precision
    assert telling < 2 < 50 < min(chance)
    assert np.abs(learnt.weights[20:]).max() < 0.2 < np.abs(learnt.weights[:20]).min()
    files = {
        LATE_CLICKS_FILE: learnt.weights_file(),
        DELAYED_FEEDBACK_FILE: learnt.share.to_bytes(),
    }
    again = LateClicks.from_files(files, 60)
    assert np.array_equal(again.precision, learnt.precision)
