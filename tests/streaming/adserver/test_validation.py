"""Progressive validation against the plain formulas."""

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from schemas.records import Impression, Served
from schemas.served_token import TokenKeys
from streaming.adserver.source import Shown
from streaming.adserver.validation import PRIOR_IMPRESSIONS, Floats, ProgressiveValidation

KEYS = TokenKeys.parse("1:" + "ab" * 16)


def _shown(
    number: int, ctr: float, label: int, truth: float | None = None, position: int = 1
) -> Shown:
    inputs = np.float64(ctr).tobytes()
    served = Served(f"r{number}", "a", "deepfm", "v", ctr, 1.0, "0" * 16, [], inputs)
    impression = Impression(f"r{number}", "a", "u", 1_000, position, 0, KEYS.sign(served))
    return Shown(impression, 2_000 if label else None, ctr, truth)


def _halved(inputs: bytes) -> Floats:
    return np.frombuffer(inputs, np.float64) / 2


@pytest.fixture(scope="module")
def rows() -> list[tuple[float, int]]:
    rng = np.random.default_rng(1)
    probabilities = rng.beta(2, 6, size=1_000)
    return [(float(p), int(rng.random() < p)) for p in probabilities]


def test_scores_equal_the_plain_formulas(rows: list[tuple[float, int]]) -> None:
    validation = ProgressiveValidation(0.2, _halved)
    for number, (ctr, label) in enumerate(rows):
        validation.add(_shown(number, ctr, label, truth=ctr))
    summary = validation.summary()
    predicted, labels = (np.array(column) for column in zip(*rows, strict=True))
    assert summary is not None
    assert summary.frozen is not None
    assert summary.served.log_loss == pytest.approx(log_loss(labels, predicted))
    assert summary.served.auc == pytest.approx(roc_auc_score(labels, predicted))
    assert summary.served.pcoc == pytest.approx(predicted.sum() / labels.sum())
    assert summary.frozen.log_loss == pytest.approx(log_loss(labels, predicted / 2))
    assert summary.frozen.pcoc == pytest.approx(summary.served.pcoc / 2)  # type: ignore[operator]
    entropy = -np.mean(predicted * np.log(predicted) + (1 - predicted) * np.log1p(-predicted))
    assert summary.entropy == pytest.approx(entropy)
    assert summary.truth_error == 0.0


def test_the_constant_knows_only_the_past(rows: list[tuple[float, int]]) -> None:
    validation = ProgressiveValidation(0.2)
    clicks, shown, losses = 0.2 * PRIOR_IMPRESSIONS, PRIOR_IMPRESSIONS, []
    for number, (ctr, label) in enumerate(rows):
        losses.append(-math.log(clicks / shown if label else 1 - clicks / shown))
        clicks, shown = clicks + label, shown + 1
        validation.add(_shown(number, ctr, label))
    summary = validation.summary()
    assert summary is not None
    assert summary.constant.log_loss == pytest.approx(np.mean(losses))
    assert summary.frozen is None
    assert summary.entropy is None


def test_only_position_1_counts() -> None:
    validation = ProgressiveValidation(0.2)
    validation.add(_shown(1, 0.3, 1, position=2))
    assert validation.summary() is None
    assert validation.curve() == []
    assert validation.calibration() == []


def test_one_class_has_no_auc() -> None:
    validation = ProgressiveValidation(0.2)
    validation.add(_shown(1, 0.3, 0))
    summary = validation.summary()
    assert summary is not None
    assert summary.served.auc is None
    assert summary.served.pcoc is None


def test_curve_and_bins_hold_every_row_once(rows: list[tuple[float, int]]) -> None:
    validation = ProgressiveValidation(0.2, _halved)
    for number, (ctr, label) in enumerate(rows):
        validation.add(_shown(number, ctr, label))
    curve, bins = validation.curve(windows=8), validation.calibration()
    assert [window.rows for window in curve] == [125 * i for i in range(1, 9)]
    assert all(window.frozen is not None for window in curve)
    assert sum(each.rows for each in bins) == len(rows)
    assert [each.predicted for each in bins] == sorted(each.predicted for each in bins)
