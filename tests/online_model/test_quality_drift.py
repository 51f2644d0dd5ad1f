"""A change of quality is found, chance is not."""

import numpy as np

from online_model.quality_drift import CALIBRATION, LOG_LOSS, QualityDrift


def found(rates: np.typing.NDArray[np.float64], predicted: float) -> set[str]:
    random = np.random.default_rng(0)
    detector, names = QualityDrift(), set()
    for part in np.split(rates, 100):
        labels = (random.random(len(part)) < part).astype(float)
        names |= {drift.of for drift in detector.update(labels, np.full(len(part), predicted))}
    return names


def test_a_stream_that_stands_has_no_drift() -> None:
    assert found(np.full(100_000, 0.1), 0.1) == set()


def test_a_market_that_falls_is_found_in_both() -> None:
    rates = np.where(np.arange(100_000) < 50_000, 0.2, 0.05)
    assert found(rates, 0.2) == {LOG_LOSS, CALIBRATION}
