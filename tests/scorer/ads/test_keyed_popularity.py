"""Popular ads by what a request says, from counters of an ad and a value of the request."""

from pathlib import Path

import numpy as np
import pytest

from schemas.proto.ctr.v1 import scorer_pb2
from schemas.redis_values import versioned
from schemas.row_changes import RowChange
from scorer.ads.ad_arrays import KEYED_ADS, AdArrays
from scorer.ads.keyed_popularity import KeyedPopularity
from scorer.ads.popularity import PopularAds
from tests.scorer.publisher import Publisher, counter_row
from tests.scorer.running_scorer import RunningScorer, eventually
from tests.scorer.tiny_model import LAYOUT, SPEC

EVERYWHERE = PopularAds(np.array([7, 2], np.int32), np.array([0.4, 0.3]), 0.05)
NEVER_MS = 100_000.0


def change(ad: int, segment: str, impressions: int, clicks: int) -> RowChange:
    body = counter_row(impressions, clicks).pack()
    return RowChange(f"ad_segment:ad-{ad}|{segment}", versioned(1, body))


@pytest.fixture
def arrays(tmp_path: Path) -> AdArrays:
    arrays = AdArrays.create(tmp_path / "ads", LAYOUT, 1_000)
    for number in range(500):
        arrays.ids.add(f"ad-{number}")
    return arrays


def near(popularity: KeyedPopularity, segment: str) -> list[int]:
    found: list[int] = popularity.near(EVERYWHERE, {"segment": segment}, {}).slots.tolist()
    return found


def test_ads_of_a_group_come_before_those_of_all(arrays: AdArrays) -> None:
    popularity = KeyedPopularity(SPEC, arrays, clock=iter(range(0, 1_000, 2)).__next__)
    for changed in (change(5, "s1", 900, 90), change(2, "s1", 900, 300), change(9, "s2", 900, 1)):
        popularity.apply(changed)
    # Of other counters, and of a key that cannot be told apart.
    popularity.apply(RowChange("advertiser:v1", versioned(1, counter_row(9, 9).pack())))
    popularity.apply(RowChange("ad_segment:ad-1|s1|s2", versioned(1, counter_row(9, 9).pack())))
    popularity.publish()
    reader = KeyedPopularity(SPEC, arrays)
    assert near(reader, "s1") == [2, 5, 7]
    assert near(reader, "s2") == [9, 7, 2]
    assert near(reader, "unheard of") == [7, 2]
    popularity.apply(RowChange("ad_segment:ad-2|s1", versioned(2, b"")))
    popularity.publish()
    assert near(reader, "s1") == [5, 7, 2]
    popularity.clear()
    assert near(reader, "s1") == [7, 2]


def test_only_the_best_are_kept_and_a_new_feeder_goes_on_with_them(arrays: AdArrays) -> None:
    popularity = KeyedPopularity(SPEC, arrays)
    for number in range(3 * KEYED_ADS):
        popularity.apply(change(number, "s1", 10_000, 10 + number))
    popularity.publish()
    found = near(popularity, "s1")
    assert found[:KEYED_ADS] == list(range(3 * KEYED_ADS - 1, 2 * KEYED_ADS - 1, -1))
    successor = KeyedPopularity(SPEC, arrays)
    successor.apply(change(400, "s1", 10_000, 9_000))
    successor.publish()
    assert near(popularity, "s1")[:3] == [400, 191, 190]


def test_a_request_is_answered_with_what_its_segment_likes(
    redis_url: str, scorer: RunningScorer, publisher: Publisher
) -> None:
    publisher.user("u-1", {"segment": "s1"})
    publisher.counters(
        {
            "ad:ad-6": counter_row(900, 300),
            "ad_segment:ad-3|s1": counter_row(900, 200),
        },
        ts=1,
    )
    with RunningScorer(redis_url, {"retrieval_reserve_ms": NEVER_MS}) as hasty:
        hasty.wait_for_model("v1")

        def best(user_id: str) -> str:
            answer = hasty.rank(limit=2, user_id=user_id)
            assert answer.rung == scorer_pb2.POPULAR
            return answer.ads[0].ad_id

        eventually(lambda: best("u-1") == "ad-3" and best("u-2") == "ad-6")
