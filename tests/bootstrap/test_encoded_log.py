"""A log as arrays: each row as the scorer would have served it, with what came of it."""

import numpy as np
import pytest

from bootstrap.encoded_log import encode_log
from bootstrap.logged_rows import NO_CLICK
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.redis_values import CounterRow, UserRow
from tests.bootstrap.small_logs import logged_row, world_log

SPEC = FeatureSpec.load("world")
ENCODER = Encoder(SPEC)


def test_a_row_is_encoded_with_what_was_known_just_before() -> None:
    rows = [
        logged_row(1_000_000, "u1", "a1", click_ms=1_200_000),
        logged_row(1_300_000, "u2", "a1", position=3),
        logged_row(1_300_000, "u1", "a2", click_ms=1_400_000),
    ]
    log = encode_log(SPEC, rows, 900_000)
    none, clicked = CounterRow((0,) * 4, (0,) * 4), CounterRow((1,) * 4, (1,) * 4)
    user = UserRow("u1", rows[2].user_attributes, ["a1"], {"user": clicked})
    request = ENCODER.request(user, rows[2].context).tobytes()
    ad = ENCODER.ad("a2", rows[2].ad_attributes, {"ad": none, "advertiser": clicked})
    assert log.samples[2].tobytes() == request + ad.tobytes()
    other = UserRow("u2", rows[1].user_attributes, (), {"user": none})
    request = ENCODER.request(other, rows[1].context).tobytes()
    ad = ENCODER.ad("a1", rows[1].ad_attributes, {"ad": clicked, "advertiser": clicked})
    assert log.samples[1].tobytes() == request + ad.tobytes()


def test_columns_are_those_of_the_rows() -> None:
    rows = [logged_row(5000), logged_row(6000, click_ms=7000, position=4)]
    told: list[int] = []
    log = encode_log(SPEC, rows, 900_000, told.append)
    assert len(log) == sum(told) == 2
    assert log.labels.tolist() == [0.0, 1.0]
    assert log.weights.tolist() == [1.0, 1.0]
    assert log.ts_ms.tolist() == [5000, 6000]
    assert log.click_ms.tolist() == [NO_CLICK, 7000]
    assert log.positions.tolist() == [1, 4]


def test_history_has_the_positions_where_ads_were_shown() -> None:
    log = encode_log(SPEC, [logged_row(5000, position=4)], None)
    column, offset = ENCODER.layout.position_column, ENCODER.layout.offsets["position"]
    assert log.samples["request_ids"][0, column] == offset + 1
    assert log.history(SPEC).samples["request_ids"][0, column] == offset + 4
    assert log.history(SPEC).labels is log.labels


def test_the_late_share_is_of_clicks_after_the_short_window() -> None:
    delays = [0, 10, 11, 5000]
    rows = [logged_row(1000, click_ms=1000 + delay) for delay in delays] + [logged_row(1000)]
    assert encode_log(SPEC, rows, 10).late_share == pytest.approx(0.5)
    assert encode_log(SPEC, rows, None).late_share is None
    assert encode_log(SPEC, rows[-1:], 10).late_share is None


def test_no_row_sees_its_own_future() -> None:
    """Whatever follows a row, it is encoded the same."""
    rows = world_log(200)
    whole, begin = encode_log(SPEC, rows, 900_000), encode_log(SPEC, rows[:120], 900_000)
    assert np.array_equal(whole.samples[:120], begin.samples)
