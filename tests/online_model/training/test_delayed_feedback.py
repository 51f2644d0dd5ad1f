"""Weights of the loss: the published formulas, and that they undo the bias of the stream."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from online_model.settings import Method
from online_model.training.delayed_feedback import LARGEST, LateShare, loss_weights, sights
from schemas.model_package import DELAYED_FEEDBACK_FILE, PackageError

RATES = st.floats(0.01, LARGEST)
METHODS = st.sampled_from(["es_dfm", "defer"])
SHARES = st.floats(0.0, 1.0)


def weights(method: Method, probability: float, late_share: float) -> tuple[float, float]:
    """w⁺ and w⁻."""
    both = torch.tensor([probability, probability], dtype=torch.float64)
    positive, negative = loss_weights(method, both, torch.tensor([1.0, 0.0]), late_share).tolist()
    return positive, negative


@settings(deadline=None)
@given(f=RATES, d=SHARES)
def test_es_dfm_is_the_formula(f: float, d: float) -> None:
    after = f * d
    no_click_if_none_yet = (1 - f) / ((1 - f) + after)
    expected = 1 + after, (1 + after) * no_click_if_none_yet
    assert weights("es_dfm", f, d) == pytest.approx(expected)


@settings(deadline=None)
@given(f=RATES, d=SHARES)
def test_fnw_is_the_formula(f: float, d: float) -> None:
    assert weights("fnw", f, d) == pytest.approx((1 + f, (1 - f) * (1 + f)))


@settings(deadline=None)
@given(f=RATES, d=SHARES)
def test_defer_is_the_formula(f: float, d: float) -> None:
    half = f * d / 2
    assert weights("defer", f, d) == pytest.approx((f / (f - half), (1 - f) / (1 - f + half)))


@settings(deadline=None)
@given(f=RATES, d=SHARES, method=st.sampled_from(["vanilla", "wait"]))
def test_vanilla_and_wait_weigh_nothing(f: float, d: float, method: Method) -> None:
    assert weights(method, f, d) == (1.0, 1.0)


def slope(method: Method, truth: float, late_share: float, model: float) -> float:
    """Expected slope of the weighted loss by the score, over all that the stream brings of one
    impression: a positive or a negative, a late positive, the final label."""
    positive, negative = weights(method, model, late_share)
    late = truth * late_share
    total = 0.0
    for kind, label, often in [
        ("POSITIVE", 1.0, truth - late),
        ("NEGATIVE", 0.0, 1.0 - truth + late),
        ("CORRECTION", 1.0, late),
        ("MATURE", 1.0, truth),
        ("MATURE", 0.0, 1.0 - truth),
    ]:
        counted = float(sights(method, np.array([kind]), np.array([label]))[0])
        total += often * counted * (positive if label else negative) * (model - label)
    return total


@settings(deadline=None)
@given(truth=RATES, d=SHARES, method=st.sampled_from(["es_dfm", "defer", "wait"]))
def test_they_rest_at_the_truth(truth: float, d: float, method: Method) -> None:
    assert slope(method, truth, d, truth) == pytest.approx(0.0, abs=1e-6)


@settings(deadline=None)
@given(truth=RATES, d=SHARES, model=st.floats(0.01, 0.999), method=METHODS)
def test_they_lead_to_the_truth_from_anywhere(
    truth: float, d: float, model: float, method: Method
) -> None:
    if abs(model - truth) > 1e-3:
        assert np.sign(slope(method, truth, d, model)) == np.sign(model - truth)


@pytest.mark.parametrize("method", ["es_dfm", "defer"])
def test_a_model_that_was_pushed_to_one_comes_back(method: Method) -> None:
    """Were f in the weights not bounded, the slope would vanish with 1 − f."""
    assert slope(method, 0.2, 0.5, 1.0 - 1e-9) > 0.1


def test_an_impression_counts_once() -> None:
    """DEFER sees each twice, as halves: clicks as soon as they are known."""
    impressions = [["POSITIVE", "MATURE"], ["NEGATIVE", "CORRECTION", "MATURE"]]
    kinds = np.array([*impressions[0], *impressions[1], "NEGATIVE", "MATURE"])
    labels = np.array([1, 1, 0, 1, 1, 0, 0])
    assert sights("defer", kinds, labels).tolist() == [1, 0, 0.5, 0.5, 0, 0.5, 0.5]
    assert sights("wait", kinds, labels).tolist() == [0, 1, 0, 0, 1, 0, 1]
    assert sights("es_dfm", kinds, labels).tolist() == [1, 0, 1, 1, 0, 1, 0]


@settings(deadline=None)
@given(truth=RATES, model=RATES)
def test_fnw_leads_to_the_truth_where_every_click_is_late(truth: float, model: float) -> None:
    assert slope("fnw", truth, 1.0, truth) == pytest.approx(0.0, abs=1e-9)
    if abs(model - truth) > 1e-3:
        assert np.sign(slope("fnw", truth, 1.0, model)) == np.sign(model - truth)


@settings(deadline=None)
@given(truth=RATES, d=st.floats(0.2, 1.0))
def test_without_weights_late_clicks_bias_the_rate_down(truth: float, d: float) -> None:
    assert slope("vanilla", truth, d, truth) > 0


def test_the_late_share_follows_what_is_seen() -> None:
    share = LateShare.assumed(0.9, clicks=100)
    assert share.share == pytest.approx(0.9)
    for _ in range(200):
        share = share.seen(early=8, late=2, memory=500)
    assert share.share == pytest.approx(0.2, abs=0.02)
    assert share.early + share.late <= 500


def test_more_clicks_at_once_than_are_remembered_replace_all() -> None:
    assert LateShare.assumed(1.0).seen(early=30, late=10, memory=20) == LateShare(30, 10)


def test_before_the_first_click_all_clicks_may_be_late() -> None:
    assert LateShare(0, 0).share == 1.0
    assert LateShare(0, 0).seen(early=0, late=0, memory=10) == LateShare(0, 0)


def test_the_late_share_survives_a_package() -> None:
    files = {DELAYED_FEEDBACK_FILE: LateShare(3, 1).to_bytes()}
    assert LateShare.from_files(files).share == pytest.approx(0.25)


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"[1]", b'{"late_click_share": 1.5}', b'{"late_click_share": -1}']
)
def test_a_package_without_a_share_is_refused(content: bytes | None) -> None:
    files = {} if content is None else {DELAYED_FEEDBACK_FILE: content}
    with pytest.raises(PackageError, match=DELAYED_FEEDBACK_FILE):
        LateShare.from_files(files)
