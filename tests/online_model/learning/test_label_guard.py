"""Labels that agree, contradict, or say nothing, at their chances."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from online_model.learning.label_guard import LabelGuard, Verdict, calibration_slope

Floats = NDArray[np.float64]
AGREE, UNDECIDED, CONTRADICT = Verdict.AGREE, Verdict.UNDECIDED, Verdict.CONTRADICT


def scores(count: int, seed: int = 0, deviation: float = 1.0) -> Floats:
    return np.random.default_rng(seed).normal(-2.0, deviation, count)


def drawn(logits: Floats, seed: int = 1) -> Floats:
    clicked: Floats = np.random.default_rng(seed).random(len(logits)) < expit(logits)
    return clicked.astype(np.float64)


def judged(guard: LabelGuard, logits: Floats, labels: Floats) -> Verdict:
    return guard.judge(logits, labels, np.ones(len(logits)), np.ones(len(logits), np.bool_))


@pytest.fixture
def armed() -> LabelGuard:
    guard, z = LabelGuard(), scores(3000)
    assert judged(guard, z, drawn(z)) is AGREE
    assert guard.armed
    return guard


def test_labels_of_the_model_never_contradict_it() -> None:
    for seed in range(20):
        guard = LabelGuard()
        z = scores(20_000, seed)
        found = [judged(guard, z[at : at + 250], drawn(z, seed + 1)[at : at + 250])
                 for at in range(0, 20_000, 250)]  # fmt: skip
        assert CONTRADICT not in found
        assert found.count(AGREE) > 5


@pytest.mark.parametrize("change", ["flipped", "random", "all clicks"])
def test_labels_of_nothing_contradict_it_soon(armed: LabelGuard, change: str) -> None:
    z = scores(4000, seed=5)
    labels = {
        "flipped": 1 - drawn(z),
        "random": drawn(np.full(4000, -2.0)),
        "all clicks": np.ones(4000),
    }[change]
    assert judged(armed, z, labels) is CONTRADICT


@pytest.mark.parametrize("shift", [np.log(1 / 4), np.log(1 / 20), np.log(3)])
def test_a_market_may_move(armed: LabelGuard, shift: float) -> None:
    z = scores(20_000, seed=6)
    assert judged(armed, z, drawn(z + shift)) in (AGREE, UNDECIDED)


def test_late_clicks_alone_are_no_contradiction(armed: LabelGuard) -> None:
    """They go on to come when nothing is shown any more."""
    late = np.zeros(4000, np.bool_)
    assert armed.judge(scores(4000), np.ones(4000), np.ones(4000), late) is UNDECIDED


def test_a_model_that_was_never_right_is_not_protected() -> None:
    guard, z = LabelGuard(), scores(3000)
    assert judged(guard, z, 1 - drawn(z)) is not CONTRADICT
    assert not guard.armed


def test_a_model_that_says_the_same_of_all_is_not_contradicted(armed: LabelGuard) -> None:
    z = np.full(3000, -2.0)
    assert judged(armed, z, drawn(z)) is UNDECIDED
    assert judged(armed, z, np.zeros(3000)) is UNDECIDED


def late_batches(served: Floats, truth: Floats, seed: int) -> list[tuple[Floats, Floats, Floats]]:
    """Logits, labels and first of batches in which four of five clicks come five batches late,
    while what is shown grows from 100 to 500 rows a batch and falls again."""
    random = np.random.default_rng(seed)
    sizes = [100 + 20 * min(n, 40 - n) for n in range(40)]
    batches, late = [], []
    for z, t in zip(
        np.split(served, np.cumsum(sizes)), np.split(truth, np.cumsum(sizes)), strict=True
    ):
        clicked = random.random(len(z)) < expit(t)
        early = clicked & (random.random(len(z)) < 0.2)
        late.append(z[clicked & ~early])
        corrections = late[-6] if len(late) > 5 else z[:0]
        batches.append(
            (
                np.concatenate([z, corrections]),
                np.concatenate([early, np.ones(len(corrections))]),
                np.concatenate([np.ones(len(z)), np.zeros(len(corrections))]),
            )
        )
    return batches


@pytest.mark.parametrize("seed", range(8))
def test_late_clicks_belong_to_earlier_rows(seed: int) -> None:
    guard, z = LabelGuard(), np.random.default_rng(seed).normal(0.0, 1.5, 13_000)
    for logits, labels, first in late_batches(z, z, seed):
        ones = np.ones(len(logits))
        assert guard.judge(logits, labels, ones, first.astype(np.bool_)) is not CONTRADICT
    assert guard.armed
    verdicts = [
        guard.judge(logits, labels, np.ones(len(logits)), first.astype(np.bool_))
        for logits, labels, first in late_batches(z, np.zeros(len(z)), seed)
    ]
    assert CONTRADICT in verdicts[:12]


def test_the_slope_is_found_with_its_error() -> None:
    """Negatives are down-sampled 1:4 and weigh as much more: slope and error hold."""
    slopes, errors = [], []
    for seed in range(60):
        z = scores(6000, seed)
        clicked = np.random.default_rng(seed + 1).random(6000) < 0.5 * expit(z) ** 0.6
        y = clicked.astype(np.float64)
        kept = (y > 0) | (np.random.default_rng(seed).random(6000) < 0.25)
        weights = np.where(y > 0, 1.0, 4.0)
        slope, error = calibration_slope(z[kept], y[kept], weights[kept], np.ones(kept.sum()))
        slopes.append(slope)
        errors.append(error)
    assert np.mean(slopes) == pytest.approx(0.6, abs=0.03)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.3)
