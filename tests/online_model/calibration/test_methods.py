"""Calibration: monotone, order-preserving, better on data that it was not fitted on."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from online_model.calibration.methods import MethodChoice, fit_calibration
from online_model.quality import expected_calibration_error, log_loss
from schemas.calibration import Calibration

METHODS = pytest.mark.parametrize("method", ["isotonic", "platt", "best"])
Floats = NDArray[np.float64]


def sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def overconfident(rows: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Scores that are twice as sure as they may be, and too high; labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.0, 2.0, rows)
    labels = (random.random(rows) < sigmoid(0.5 * logits - 1.0)).astype(np.int64)
    return logits, labels


@METHODS
def test_unseen_data_are_calibrated_better(method: MethodChoice) -> None:
    calibration = fit_calibration(method, *overconfident(8000, seed=1), bin_rows=200)
    logits, labels = overconfident(8000, seed=2)
    raw, calibrated = sigmoid(logits), calibration.probabilities(logits)
    assert expected_calibration_error(labels, raw) > 0.1
    assert expected_calibration_error(labels, calibrated) < 0.02
    assert log_loss(labels, calibrated) < log_loss(labels, raw) - 0.05


@settings(deadline=None, max_examples=60)
@given(
    data=st.lists(st.tuples(st.floats(-12, 12, width=32), st.booleans()), min_size=4, max_size=200),
    method=st.sampled_from(["isotonic", "platt", "best"]),
    bin_rows=st.integers(1, 50),
)
def test_order_is_kept_whatever_the_data(
    data: list[tuple[float, bool]], method: MethodChoice, bin_rows: int
) -> None:
    logits = np.array([score for score, _ in data], np.float32)
    labels = np.array([clicked for _, clicked in data], np.int64)
    calibration = fit_calibration(method, logits, labels, bin_rows)
    probabilities = calibration.probabilities(np.linspace(-20, 20, 401))
    assert np.all(np.diff(probabilities) >= 0)
    assert probabilities[0] > 0
    assert probabilities[-1] < 1


def test_scores_beyond_all_measure_are_calibrated_too() -> None:
    logits = np.array([-1e4, -900.0, 0.0, 900.0, 1e4])
    fitted = fit_calibration("isotonic", logits, np.array([0, 0, 1, 1, 1]), bin_rows=1)
    assert (np.diff(fitted.probabilities(logits)) >= 0).all()
    assert np.isfinite(fitted.logits).all()


@METHODS
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_says_nothing(method: MethodChoice, label: int) -> None:
    logits = np.linspace(-2, 2, 50)
    assert fit_calibration(method, logits, np.full(50, label), 10) == Calibration()
    assert fit_calibration(method, logits[:0], np.zeros(0), 10) == Calibration()


@pytest.mark.parametrize("score", [0.0, -2.2, 7.1])
def test_scores_that_are_all_the_same_become_the_rate(score: float) -> None:
    """Chance makes some bins better than others; they must not become levels."""
    random = np.random.default_rng(0)
    labels, weights = random.random(5030) < 0.1, random.uniform(0.5, 1.5, 5030)
    fitted = fit_calibration("isotonic", np.full(5030, score), labels, 100, weights)
    assert fitted.probabilities(np.array([score]))[0] == pytest.approx(labels.mean(), abs=0.01)


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_few_rows_do_not_move_what_is_calibrated(spread: float) -> None:
    """One bin is all there is: its mean must stay, however wide it is."""
    random = np.random.default_rng(8)
    logits = random.normal(-2.0, spread, 2000)
    labels = random.random(2000) < sigmoid(logits)
    fitted = fit_calibration("isotonic", logits, labels, bin_rows=2000)
    assert fitted.probabilities(logits).mean() == pytest.approx(labels.mean(), rel=0.05)


def test_a_score_that_is_upside_down_is_not_touched() -> None:
    logits, labels = overconfident(2000, seed=3)
    assert fit_calibration("platt", -logits, labels, 100) == Calibration()
    upside_down = fit_calibration("isotonic", -logits, labels, 100)
    assert len(upside_down.logits) == 1, "isotonic has one level left"


def test_platt_finds_slope_and_shift() -> None:
    fitted = fit_calibration("platt", *overconfident(50_000, seed=4), bin_rows=500)
    middle = fitted.probabilities(np.array([0.0, 2.0]))
    np.testing.assert_allclose(middle, sigmoid(np.array([-1.0, 0.0])), atol=0.02)


def test_best_takes_what_is_better_later() -> None:
    """A staircase is no line: Platt cannot follow it."""
    random = np.random.default_rng(5)
    logits = random.uniform(-3, 3, 20_000)
    labels = random.random(20_000) < np.where(logits > 0, 0.8, 0.1)
    assert fit_calibration("best", logits, labels, 200).method == "isotonic"
    few, few_labels = overconfident(300, seed=6)
    assert fit_calibration("best", few, few_labels, 20).method == "platt"


@METHODS
def test_weights_undo_down_sampling(method: MethodChoice) -> None:
    """Nine of ten non-clicks are dropped, the others weigh ten: the old rate comes back."""
    random = np.random.default_rng(7)
    logits = random.normal(-2.0, 1.0, 60_000)
    labels = random.random(60_000) < sigmoid(logits)
    kept = labels | (random.random(60_000) < 0.1)
    weights = np.where(labels, 1.0, 10.0)[kept]
    fitted = fit_calibration(method, logits[kept], labels[kept], 500, weights)
    expected = sigmoid(np.array([-3.0, -2.0, -1.0]))
    got = fitted.probabilities(np.array([-3.0, -2.0, -1.0]))
    np.testing.assert_allclose(got, expected, rtol=0.15)
    assert fitted.probabilities(logits).sum() == pytest.approx(labels.sum(), rel=0.03)


@METHODS
def test_real_predictions_are_calibrated_better(method: MethodChoice, shared_data: Path) -> None:
    folder = shared_data / "calibration"
    scores = np.load(folder / "train_prediction.npy").ravel().astype(np.float64)
    labels = np.load(folder / "train_label.npy").ravel()
    logits = np.log(scores) - np.log1p(-scores) + 1.0
    half = len(labels) // 2
    fitted = fit_calibration(method, logits[:half], labels[:half], 500)
    later = fitted.probabilities(logits[half:])
    before = expected_calibration_error(labels[half:], sigmoid(logits[half:]))
    assert expected_calibration_error(labels[half:], later) < before / 3
