"""Encoding: the same value gets the same row everywhere, missing and odd values are harmless."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.encoding import Encoder, bucket, counter_numbers
from schemas.features import Categorical, Counter, FeatureSpec
from schemas.layout import Layout
from schemas.redis_values import CounterRow, UserRow


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(FeatureSpec.load("world"))


def feature(transform: str = "none", buckets: int = 100, default: str = "") -> Categorical:
    return Categorical.model_validate(
        {
            "kind": "categorical", "name": "f", "side": "ad", "source": "f",
            "buckets": buckets, "transform": transform, "default": default,
        }
    )  # fmt: skip


MIXED: dict[str, Any] = {
    "name": "mixed",
    "features": [
        {"name": "ad", "side": "ad", "kind": "categorical", "source": "ad_id", "buckets": 50},
        {"name": "who", "side": "user", "kind": "categorical", "source": "user_id", "buckets": 9},
        {"name": "s", "side": "user", "kind": "categorical", "source": "segment", "buckets": 9},
        {
            "name": "h", "side": "context", "kind": "categorical", "source": "hour",
            "buckets": 24, "transform": "integer", "default": "1",
        },
        {"name": "n", "side": "user", "kind": "numeric", "source": "n", "default": -1e12},
        {
            "name": "log", "side": "context", "kind": "numeric", "source": "log",
            "transform": "log1p",
        },
        {"name": "c", "side": "user", "kind": "counter", "counter": "user", "windows": ["1h"]},
        {"name": "clicked", "kind": "sequence", "of": "ad", "length": 20},
    ],
    "counters": {"user": ["user.user_id"]},
}  # fmt: skip
MIXED_COUNTER = Counter.model_validate(MIXED["features"][6])


def test_buckets_never_change() -> None:
    assert [bucket(feature(), v) for v in ("a", "b", "", None)] == [73, 80, 0, 0]


@given(st.text(), st.sampled_from(["none", "integer", "log_square"]), st.integers(2, 1000))
def test_any_text_has_a_bucket(value: str, transform: str, buckets: int) -> None:
    assert 0 <= bucket(feature(transform, buckets), value) < buckets


def test_integers_are_their_own_bucket_and_clipped() -> None:
    integer = feature("integer", 10, default="1")
    assert [bucket(integer, v) for v in ("3", "99", "-4", "x", None)] == [3, 9, 0, 0, 1]


def test_log_square_joins_neighbours_of_large_numbers_only() -> None:
    log = feature("log_square", 10_000)
    assert bucket(log, "1000") == bucket(log, "1001")
    assert len({bucket(log, v) for v in ("-1", "0", "1", "2")}) == 4


def test_inputs_are_the_request_part_then_the_ad_part(encoder: Encoder) -> None:
    counters = {"user": CounterRow((0, 10, 10, 10), (0, 2, 2, 2))}
    user = UserRow("u", {"segment": "s1"}, ("7", "8"), counters)
    request = encoder.request(user, {"hour": "13"})
    ad = encoder.ad("7", {"category": "c"}, {"ad": CounterRow((5, 5, 5, 5), (1, 1, 1, 1))})
    samples = encoder.layout.unpack(request.tobytes() + ad.tobytes())
    assert samples["ad_ids"].tolist() == ad["ad_ids"].tolist()
    layout = encoder.layout
    hour = next(i for i, f in enumerate(layout.request_categoricals) if f.name == "hour")
    assert samples["request_ids"][0, hour] == layout.offsets["hour"] + 13
    assert samples["sequence"][0, 0] == samples["ad_ids"][0, 0]
    assert samples["sequence"][0, 2:].tolist() == [-1] * 18
    names = layout.number_names
    numbers = dict(
        zip(names, [*samples["request_numbers"][0], *samples["ad_numbers"][0]], strict=True)
    )
    assert numbers["user_clicks.1h.volume"] == pytest.approx(math.log1p(10))
    assert numbers["ad_clicks.15m.ctr"] == pytest.approx((1 + 20 * 0.05) / 25)
    assert numbers["advertiser_clicks.1d.volume"] == 0


def test_a_click_that_came_before_its_impression_has_a_finite_rate() -> None:
    """The less a prior counts for, the nearer is the denominator to 0."""
    features = [{**f, "prior_impressions": 1e-300} if f["name"] == "c" else f
                for f in MIXED["features"]]  # fmt: skip
    encoder = Encoder(FeatureSpec.model_validate({**MIXED, "features": features}))
    user = UserRow("u", counters={"user": CounterRow((0, 0, 0, 0), (1, 1, 1, 1))})
    assert encoder.request(user, {})["request_numbers"][0, 2] == np.float32(1e12)


TEXTS = st.text(max_size=8) | st.sampled_from(["1", "-3.5", "1e300", "nan", "17"])


@given(
    texts=st.fixed_dictionaries({"segment": TEXTS, "hour": TEXTS, "n": TEXTS, "log": TEXTS}),
    clicked=st.lists(TEXTS, max_size=25),
)
def test_a_request_part_is_its_fields_one_by_one(texts: dict[str, str], clicked: list[str]) -> None:
    spec = FeatureSpec.model_validate(MIXED)
    encoder, layout = Encoder(spec), Layout.of(spec)
    row = CounterRow((1, 2, 3, 4), (0, 1, 1, 2))
    user = UserRow("u", {k: texts[k] for k in ("segment", "n")}, clicked, {"user": row})
    part = encoder.request(user, {k: texts[k] for k in ("hour", "log")})
    assert part.dtype == layout.request_dtype
    ids = [
        layout.offsets[f.name] + bucket(f, {**texts, "user_id": "u"}[f.source])
        for f in layout.request_categoricals
    ]
    assert part["request_ids"].tolist() == [ids]
    # A number does not depend on the side it is on.
    ad_side = [{**f, "side": "ad"} if f["kind"] == "numeric" else f for f in MIXED["features"]]
    of_ad = Encoder(FeatureSpec.model_validate({**MIXED, "features": ad_side}))
    of_counter = counter_numbers(MIXED_COUNTER, row)
    numbers = np.append(of_ad.ad("x", texts)["ad_numbers"], np.array(of_counter, np.float32))
    np.testing.assert_array_equal(part["request_numbers"][0], numbers)
    (ad,) = layout.ad_categoricals
    rows = [layout.offsets["ad"] + bucket(ad, ad_id) for ad_id in clicked[:20]]
    assert part["sequence"].tolist() == [rows + [-1] * (20 - len(rows))]


def test_ids_stay_in_the_rows_of_their_own_feature(encoder: Encoder) -> None:
    layout = encoder.layout
    sample = encoder.request(UserRow("someone"), {})
    for column, item in enumerate(layout.request_categoricals):
        row = sample["request_ids"][0, column] - layout.offsets[item.name]
        assert 0 <= row < item.buckets


def test_positions_are_overwritten_for_learning_only(encoder: Encoder) -> None:
    served = encoder.request(UserRow("u"), {}).tobytes() + encoder.ad("7", {}).tobytes()
    samples = encoder.layout.unpack(served * 3)
    learnt = encoder.with_positions(samples, np.array([1, 4, 99]))
    column = encoder.layout.position_column
    assert column is not None
    offset = encoder.layout.offsets["position"]
    assert (learnt["request_ids"][:, column] - offset).tolist() == [1, 4, 15]
    assert (samples["request_ids"][:, column] - offset).tolist() == [1, 1, 1]


def test_inputs_of_another_declaration_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="feature declaration"):
        encoder.layout.unpack(b"123")
