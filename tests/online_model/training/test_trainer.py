"""Training from history: it finds what there is to find, and refuses what it cannot learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from online_model.history import History
from online_model.network.model import Architecture
from online_model.quality import pcoc
from online_model.training.trainer import LEAST_ROWS, HistoryError, Trained, rows_to_do, train
from schemas.calibration import Calibration
from tests.online_model.small_log import (
    SETTINGS,
    SPEC,
    clicks,
    history,
    samples,
    true_probabilities,
)

LATER = 0.25


def trained(past: History, architecture: Architecture = "deepfm") -> Trained:
    return train(SPEC, architecture, past, SETTINGS, LATER)


@pytest.mark.parametrize("architecture", ["deepfm", "lr"])
def test_a_known_truth_is_learnt(architecture: Architecture) -> None:
    outcome = trained(history(12_000), architecture)
    future = samples(8000, seed=7)
    labels = clicks(future, seed=8)
    p = outcome.calibration.probabilities(outcome.model.logits(future))
    best = roc_auc_score(labels, true_probabilities(future))
    assert roc_auc_score(labels, p) > 0.5 + 0.85 * (best - 0.5)
    assert outcome.validation.auc == pytest.approx(roc_auc_score(labels, p), abs=0.03)
    ratio = pcoc(labels, p)
    assert ratio == pytest.approx(1.0, abs=0.12)


def test_validation_is_of_the_last_eighth_before_it_was_learnt() -> None:
    """Labels that are turned over at the end of history make validation bad, however learnt."""
    past = history(4000)
    labels = past.labels.copy()
    labels[3500:] = 1.0 - labels[3500:]
    turned = trained(History(past.samples, labels, past.weights)).validation
    assert turned.rows == 500
    assert turned.clicks == int(labels[3500:].sum())
    assert turned.auc is not None
    assert turned.auc < 0.5 < (trained(past).validation.auc or 0.0)


def test_the_same_history_gives_the_same_model() -> None:
    past = history(600)
    first, again = trained(past), trained(past)
    assert first.model.table.values.equal(again.model.table.values)
    assert first.calibration == again.calibration
    assert first.validation == again.validation


def test_weights_undo_down_sampling() -> None:
    past = history(12_000)
    kept = (past.labels > 0) | (np.random.default_rng(3).random(len(past)) < 0.25)
    weights = np.where(past.labels > 0, 1.0, 4.0).astype(np.float32)
    thinned = trained(History(past.samples[kept], past.labels[kept], weights[kept]))
    future = samples(8000, seed=7)
    p = thinned.calibration.probabilities(thinned.model.logits(future))
    assert p.sum() == pytest.approx(true_probabilities(future).sum(), rel=0.15)
    assert thinned.validation.pcoc == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(("architecture", "passes"), [("deepfm", 3), ("lr", 8)])
def test_progress_is_told_of_every_row(architecture: Architecture, passes: int) -> None:
    told: list[int] = []
    train(SPEC, architecture, history(333), SETTINGS, LATER, told.append)
    assert sum(told) == rows_to_do(333, architecture, SETTINGS) == passes * 333


def test_a_calibration_that_only_fits_chance_is_left_out() -> None:
    """Down-sampled clicks need one; the rows of the truth, which log loss calibrates, do not."""
    assert trained(history(4000)).calibration == Calibration()
    past = history(4000)
    labels = past.labels.copy()
    labels[3000:] *= np.random.default_rng(2).random(1000) < 0.2
    fallen = trained(History(past.samples, labels, past.weights)).calibration
    assert fallen.method == SETTINGS.calibration


def test_what_is_validated_is_what_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a calibration that was left out."""
    monkeypatch.setattr(
        "online_model.training.trainer.fit_calibration", lambda *_: Calibration().shifted(5.0)
    )
    outcome = trained(history(1000))
    assert outcome.calibration == Calibration()
    assert outcome.validation.pcoc == pytest.approx(1.0, abs=0.5)


def test_unusable_history_is_refused() -> None:
    past = history(LEAST_ROWS)
    with pytest.raises(HistoryError, match="99 rows, 100 are the least"):
        trained(past.part(0, LEAST_ROWS - 1))
    for label in (0.0, 1.0):
        same = np.full_like(past.labels, label)
        with pytest.raises(HistoryError, match="nothing to learn"):
            trained(History(past.samples, same, past.weights))
    weights = past.weights.copy()
    for wrong in (0.0, -1.0, np.nan):
        weights[5] = wrong
        with pytest.raises(HistoryError, match="weight that is not positive"):
            trained(History(past.samples, past.labels, weights))


def test_a_share_that_leaves_nothing_to_calibrate_is_refused() -> None:
    with pytest.raises(HistoryError, match=r"0\.001 of 100 rows leaves none"):
        train(SPEC, "lr", history(LEAST_ROWS), SETTINGS, 0.001)
