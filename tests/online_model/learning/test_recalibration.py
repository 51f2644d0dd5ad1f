"""The base rate is followed when it moves and left alone when it stands."""

import numpy as np
import pytest
from numpy.typing import NDArray

from online_model.learning.recalibration import LARGEST_SHIFT, BaseRateShift
from online_model.quality import log_loss

Floats = NDArray[np.float64]


def streamed(predicted: Floats, labels: Floats, batch: int = 100) -> tuple[Floats, BaseRateShift]:
    """What is served when each batch is predicted and then learnt."""
    shift, served = BaseRateShift(), np.empty(len(labels))
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        served[part] = shift.probabilities(predicted[part])
        ones = np.ones(len(served[part]))
        shift.learn(predicted[part], labels[part], ones > 0, ones)
    return served, shift


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_a_market_that_falls_is_followed(rate: float) -> None:
    random = np.random.default_rng(1)
    predicted = rate * np.exp(random.normal(0, 0.3, 40_000))
    true = np.where(np.arange(40_000) < 10_000, predicted, predicted / 4)
    labels = (random.random(40_000) < true).astype(float)
    served, shift = streamed(predicted, labels)
    late = slice(25_000, None)
    assert served[late].mean() == pytest.approx(true[late].mean(), rel=0.15)
    assert log_loss(labels, served) < log_loss(labels, predicted)
    assert shift.shift == pytest.approx(np.log(1 / 4), abs=0.4)


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_a_model_that_is_right_loses_next_to_nothing(rate: float) -> None:
    random = np.random.default_rng(2)
    predicted = np.clip(rate * np.exp(random.normal(0, 0.5, 40_000)), 0, 0.9)
    labels = (random.random(40_000) < predicted).astype(float)
    served, _ = streamed(predicted, labels)
    assert log_loss(labels, served) < 1.002 * log_loss(labels, predicted)


def test_a_correction_undoes_its_negative() -> None:
    """A negative and its correction move the shift as the positive alone would have."""
    p = np.full(50, 0.1)
    late, early = BaseRateShift(), BaseRateShift()
    labels, ones = np.zeros(50), np.ones(50)
    late.learn(np.append(p, 0.1), np.append(labels, 1), np.append(ones, 0) > 0, np.ones(51))
    labels[0] = 1
    early.learn(p, labels, ones > 0, ones)
    assert late.probabilities(p)[0] == pytest.approx(early.probabilities(p)[0], rel=1e-9)


def test_predicting_and_learning_nothing_change_nothing() -> None:
    shift, p = BaseRateShift(), np.array([0.0, 0.2, 1.0])
    shift.learn(np.empty(0), np.empty(0), np.empty(0) > 0, np.empty(0))
    assert shift.shift == 0.0
    np.testing.assert_allclose(shift.probabilities(p), p, atol=2e-6)


def test_order_is_kept() -> None:
    shift = BaseRateShift()
    shift.learn(np.full(500, 0.3), np.zeros(500), np.ones(500) > 0, np.ones(500))
    p = np.linspace(0.001, 0.999, 200)
    assert (np.diff(shift.probabilities(p)) > 0).all()
    assert (shift.probabilities(p) < p).all()


def test_a_memory_without_weight_that_is_right_all_at_once_leaves_it_finite() -> None:
    """As when clicks come in lumps: the only memory that had any weight is far off for a step."""
    state = [[9.0, 0.0, 0.0, 0.0], [20.0, 100.0, 500.0, 1e300], [1.0, 0.0, 0.0, 0.0]]
    shift, p, ones = BaseRateShift.from_state(state), np.full(4000, 0.2), np.ones(4000)
    for label in (0, 1, 0):
        shift.learn(p, np.full(4000, label), ones > 0, ones)
        assert np.isfinite(shift.probabilities(p)).all()
        assert abs(shift.shift) <= LARGEST_SHIFT
