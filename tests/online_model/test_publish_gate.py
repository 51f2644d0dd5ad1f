"""The gate: each reason alone, several together, and nothing where nothing is wrong."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online_model.publish_gate import GateLimits, refusal_reasons

LIVE = {
    "clicks": 900.0,
    "log_loss": 0.4,
    "auc": 0.75,
    "pcoc": 1.0,
    "log_loss_difference_error": 0.001,
    "auc_difference_error": 0.002,
}
SAME = {"clicks": 900.0, "log_loss": 0.4069, "auc": 0.7341, "pcoc": 1.2, "latency_ms": 99.0}


def test_what_is_as_good_may_be_served() -> None:
    assert refusal_reasons(SAME, LIVE) == []
    assert refusal_reasons(SAME, None) == []
    assert refusal_reasons({}, None) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"log_loss": 0.4071}, "log loss: 0.40710, the live model has 0.40000"),
        ({"auc": 0.7339}, "auc: 0.7339, the live model has 0.7500 and 0.7340 is allowed"),
        ({"pcoc": 1.39}, "calibration: pcoc 1.390 is not within 0.72 to 1.38"),
        ({"pcoc": 0.7}, "calibration: pcoc 0.700"),
        ({"pcoc": 0.0}, "calibration: pcoc 0.000"),
        ({"latency_ms": 100.5}, "latency: p99 100.5 ms, 100.0 ms are allowed"),
        ({"latency_ms": float("inf")}, "latency_ms is inf"),
        ({"log_loss": float("nan")}, "log_loss is nan"),
    ],
)
def test_each_fault_is_a_reason(change: dict[str, float], said: str) -> None:
    reasons = refusal_reasons({**SAME, **change}, LIVE)
    assert said in reasons[0]


def test_faults_add_up() -> None:
    bad = {**SAME, "log_loss": 0.5, "auc": 0.6, "pcoc": 2.0}
    assert [reason.split(":")[0] for reason in refusal_reasons(bad, LIVE)] == [
        "log loss",
        "auc",
        "calibration",
    ]
    assert len(refusal_reasons(bad, None)) == 1, "without a live model only calibration speaks"


def test_different_markets_are_compared_by_their_entropy() -> None:
    """A candidate that served a market with more clicks has more log loss, and is no worse."""
    live = {**LIVE, "normalised_log_loss": 0.9}
    candidate = {**SAME, "log_loss": 0.6, "normalised_log_loss": 0.9}
    assert refusal_reasons(candidate, live) == []
    candidate["normalised_log_loss"] = 0.95
    assert "normalised log loss" in refusal_reasons(candidate, live)[0]


@given(st.floats(0.3, 3), st.integers(1, 10**7))
def test_what_may_be_chance_is_no_fault_of_calibration(pcoc: float, clicks: int) -> None:
    """More clicks never excuse more, and within the factor nothing is refused."""

    def refused(count: float) -> bool:
        return bool(refusal_reasons({"clicks": count, "pcoc": pcoc}, None))

    assert refused(clicks) <= refused(2.0 * clicks)
    assert not (1 / 1.25 < pcoc < 1.25 and refused(clicks))


@given(st.floats(0.3, 0.6), st.integers(0, 10**6))
def test_the_more_is_known_the_more_is_refused(log_loss: float, clicks: int) -> None:
    """There is no number of rows from which on all is refused, or nothing."""

    def refused(count: float) -> bool:
        error = 0.5 / math.sqrt(count) if count else 0.0
        live = {"clicks": count, "log_loss": 0.4, "log_loss_difference_error": error}
        return bool(refusal_reasons({"clicks": count, "log_loss": log_loss}, live))

    assert refused(clicks) <= refused(2.0 * clicks)
    assert not refused(0)
    assert not (log_loss <= 0.404 and refused(clicks))
    assert log_loss < 0.41 or refused(1e8)


def test_limits_are_the_callers() -> None:
    strict = GateLimits(log_loss_rise=0.0)
    assert refusal_reasons({"log_loss": 0.4001}, {"log_loss": 0.4}, strict)
    assert not refusal_reasons({"log_loss": 0.4}, {"log_loss": 0.4}, strict)
