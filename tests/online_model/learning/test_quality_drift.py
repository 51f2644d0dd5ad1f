"""A change of quality is found, chance is not."""

import numpy as np

from online_model.learning.quality_drift import CALIBRATION, CHUNK, LOG_LOSS, QualityDrift


def found(rates: np.typing.NDArray[np.float64], predicted: float) -> set[str]:
    random = np.random.default_rng(0)
    detector, names = QualityDrift(), set()
    for part in np.split(rates, 100):
        labels = (random.random(len(part)) < part).astype(float)
        drifts = detector.update(labels, np.full(len(part), predicted), np.ones(len(part)))
        names |= {drift.of for drift in drifts}
    return names


def test_a_stream_that_stands_has_no_drift() -> None:
    assert found(np.full(100_000, 0.1), 0.1) == set()


def test_a_market_that_falls_is_found_in_both() -> None:
    rates = np.where(np.arange(100_000) < 50_000, 0.2, 0.05)
    assert found(rates, 0.2) == {LOG_LOSS, CALIBRATION}


def test_that_fewer_negatives_are_kept_is_no_drift_of_calibration() -> None:
    """The true rate is a half at first, then 1 in 11, and predicted; in the end half are clicks."""
    detector, labels = QualityDrift(), np.tile([1.0, 0.0], CHUNK // 2)
    for stands_for in (1.0, 10.0):
        weights = np.where(labels > 0.5, 1.0, stands_for)
        predicted = np.full(CHUNK, 1.0 / (1.0 + stands_for))
        for _ in range(100):
            drifts = detector.update(labels, predicted, weights)
            assert CALIBRATION not in {drift.of for drift in drifts}
