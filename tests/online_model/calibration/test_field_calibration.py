"""Field-aware calibration finds the offsets of values, and none where there are none."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from online_model.calibration.field_calibration import FieldCalibration
from online_model.calibration.field_quality import field_calibration_errors
from online_model.quality import log_loss

ROWS = 6000
OFFSETS = np.array([-0.8, 0.0, 0.9])


def shifted(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Logits, fields (one that matters, one that does not, one that is constant), labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1.5, 1.0, ROWS)
    fields = np.column_stack(
        [random.integers(0, 3, ROWS), random.integers(0, 40, ROWS), np.zeros(ROWS, np.int64)]
    )
    p = expit(0.7 * logits + OFFSETS[fields[:, 0]])
    return logits, fields, (random.random(ROWS) < p).astype(np.int64)


@pytest.fixture(scope="module")
def fitted() -> FieldCalibration:
    return FieldCalibration.fit(*shifted(seed=1))


def test_offsets_are_found_where_they_are(fitted: FieldCalibration) -> None:
    found = fitted.offsets[0] - fitted.offsets[0].mean()
    np.testing.assert_allclose(found, OFFSETS - OFFSETS.mean(), atol=0.1)
    assert fitted.deviations[1] < 0.15 < fitted.deviations[0]


def test_unseen_rows_are_calibrated_by_field(fitted: FieldCalibration) -> None:
    logits, fields, labels = shifted(seed=2)
    after = fitted.probabilities(logits, fields)
    assert field_calibration_errors(fields, labels, expit(logits))[0] > 0.05
    assert field_calibration_errors(fields, labels, after)[0] < 0.02
    assert log_loss(labels, after) < log_loss(labels, expit(logits)) - 0.01


def test_order_is_kept_within_the_same_values(fitted: FieldCalibration) -> None:
    grid = np.linspace(-20.0, 20.0, 401)
    p = fitted.probabilities(grid, np.tile([2, 7, 0], (401, 1)))
    assert np.all(np.diff(p) >= 0)
    assert 0.0 < p[0] < p[-1] < 1.0


def test_a_value_that_was_never_seen_adds_nothing(fitted: FieldCalibration) -> None:
    unseen = fitted.calibrated_logits(np.zeros(1), np.array([[99, -1, 5]]))
    seen = fitted.calibrated_logits(np.zeros(1), np.array([[0, 3, 0]]))
    offsets = fitted.offsets[0][0] + fitted.offsets[1][3] + fitted.offsets[2][0]
    assert seen - unseen == pytest.approx(offsets)


def test_the_same_prediction_everywhere_is_moved_by_field() -> None:
    _, fields, labels = shifted(seed=3)
    constant = np.full(ROWS, -2.0)
    p = FieldCalibration.fit(constant, fields, labels).probabilities(constant, fields)
    assert p.mean() == pytest.approx(labels.mean(), abs=0.005)
    for value in range(3):
        rows = fields[:, 0] == value
        assert p[rows].mean() == pytest.approx(labels[rows].mean(), abs=0.02)


def test_text_may_be_a_value() -> None:
    logits, fields, labels = shifted(seed=4)
    as_text = FieldCalibration.fit(logits, fields.astype(str), labels)
    np.testing.assert_allclose(
        as_text.probabilities(logits, fields.astype(str)),
        FieldCalibration.fit(logits, fields, labels).probabilities(logits, fields),
        atol=1e-4,
    )


def test_one_class_is_refused() -> None:
    logits, fields, labels = shifted(seed=5)
    with pytest.raises(ValueError, match="all the same"):
        FieldCalibration.fit(logits, fields, np.zeros_like(labels))
