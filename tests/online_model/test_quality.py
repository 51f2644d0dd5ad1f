"""Metrics are those of scikit-learn where it has them, else the plain sums."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from online_model.quality import (
    FLOOR,
    expected_calibration_error,
    log_loss,
    pcoc,
    quality,
)

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0.001, 0.999), st.floats(0.1, 20.0)),
    min_size=1,
    max_size=80,
)
Floats = NDArray[np.float64]


def columns(rows: list[tuple[int, float, float]]) -> tuple[NDArray[np.int64], Floats, Floats]:
    labels, probabilities, weights = zip(*rows, strict=True)
    return np.array(labels), np.array(probabilities), np.array(weights)


@settings(deadline=None)
@given(ROWS)
def test_with_weights_they_are_those_of_scikit_learn(rows: list[tuple[int, float, float]]) -> None:
    labels, p, weights = columns(rows)
    assume(0 < labels.sum() < len(labels))
    measured = quality(labels, p, weights)
    loss = metrics.log_loss(labels, p, sample_weight=weights)
    assert measured.log_loss == pytest.approx(loss)
    assert measured.auc == pytest.approx(metrics.roc_auc_score(labels, p, sample_weight=weights))
    assert measured.pcoc == pytest.approx(np.sum(weights * p) / np.sum(weights * labels))
    assert (measured.rows, measured.clicks) == (len(labels), labels.sum())


@settings(deadline=None)
@given(ROWS)
def test_no_weights_are_weights_of_one(rows: list[tuple[int, float, float]]) -> None:
    labels, p, _ = columns(rows)
    plain, weighted = quality(labels, p), quality(labels, p, np.ones(len(labels)))
    assert plain == weighted


@settings(deadline=None)
@given(ROWS)
def test_a_whole_weight_is_so_many_rows(rows: list[tuple[int, float, float]]) -> None:
    labels, p, weights = columns(rows)
    times = np.ceil(weights)
    whole_times = times.astype(np.int64)
    repeated = np.repeat(labels, whole_times), np.repeat(p, whole_times)
    assert log_loss(labels, p, times) == pytest.approx(log_loss(*repeated))
    assert pcoc(labels, p, times) == pytest.approx(pcoc(*repeated))
    whole = expected_calibration_error(labels, p, 1, times)
    assert whole == pytest.approx(expected_calibration_error(*repeated, bins=1), abs=1e-12)


@settings(deadline=None)
@given(ROWS, st.integers(1, 12))
def test_calibration_error_is_the_plain_sum(
    rows: list[tuple[int, float, float]], bins: int
) -> None:
    labels, p, weights = columns(rows)
    ordered = sorted(range(len(p)), key=lambda row: p[row])
    observed = [np.average(labels[p == one], weights=weights[p == one]) for one in p]
    size, longer = divmod(len(ordered), min(bins, len(ordered)))
    total = 0.0
    for number in range(min(bins, len(p))):
        chosen, ordered = (
            ordered[: size + (number < longer)],
            ordered[size + (number < longer) :],
        )
        total += abs(sum(weights[row] * (p[row] - observed[row]) for row in chosen))
    error = expected_calibration_error(labels, p, bins, weights)
    assert error == pytest.approx(total / weights.sum(), abs=1e-12)


def test_a_calibrated_score_has_no_error_and_a_biased_one_its_bias() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.05, 0.6, 100_000)
    labels = random.random(100_000) < p
    assert expected_calibration_error(labels, p) < 0.008
    assert expected_calibration_error(labels, p + 0.1) == pytest.approx(0.1, abs=0.008)
    assert pcoc(labels, 2 * p) == pytest.approx(2.0, abs=0.03)


def test_calibration_error_does_not_depend_on_the_order_of_rows() -> None:
    labels, p = np.array([1, 1, 0, 0, 0, 0, 0, 0]), np.full(8, 0.25)
    assert expected_calibration_error(labels, p, bins=4) == 0.0
    p[:2] = 0.5
    assert expected_calibration_error(labels[::-1], p[::-1], bins=4) == pytest.approx(0.3125)


def test_one_class_has_no_auc_and_no_clicks_no_pcoc() -> None:
    none, all_clicked = quality(np.zeros(3), np.full(3, 0.2)), quality(np.ones(3), np.full(3, 0.2))
    assert (none.auc, none.pcoc) == (None, None)
    assert all_clicked.auc is None
    assert all_clicked.pcoc == pytest.approx(0.2)


def test_certainty_that_is_wrong_costs_much_but_not_all() -> None:
    assert log_loss(np.ones(1), np.zeros(1)) == pytest.approx(-np.log(FLOOR))
