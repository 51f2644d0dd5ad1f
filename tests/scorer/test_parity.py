"""The served probability is the offline model's on the token's inputs; inputs are as declared."""

import threading

import numpy as np
import pytest

from schemas.proto.ctr.v1 import scorer_pb2
from schemas.redis_values import UserRow
from tests.scorer.publisher import Publisher, ad, counter_row
from tests.scorer.running_scorer import RunningScorer, assert_parity, eventually, served
from tests.scorer.tiny_model import ENCODER, LAYOUT, SPEC, TinyModel


def test_rank_of_a_known_user(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    publisher.user("u-1", {"segment": "s1", "age": "31"}, ["ad-3", "ad-9"], counter_row(20, 3))
    publisher.counters({"ad:ad-3": counter_row(50, 9), "advertiser:v2": counter_row(400, 11)}, ts=5)
    eventually(lambda: scorer.process.catalogue.arrays.impressions.sum() > 0)
    response = scorer.rank(limit=40, context={"device": "phone", "hour": "17"})
    assert response.rung == scorer_pb2.FULL
    assert response.variant == "deepfm"
    assert len({ad.ad_id for ad in response.ads}) == 40
    ctrs = [ad.ctr for ad in response.ads]
    assert ctrs == sorted(ctrs, reverse=True)
    assert_parity(response, model)


def test_inputs_are_those_of_the_encoder(scorer: RunningScorer, publisher: Publisher) -> None:
    publisher.user("u-1", {"segment": "s1"}, ["ad-3"], counter_row(20, 3))
    token = served(scorer.score("ad-4", context={"device": "tv"}).ads[0])
    user = UserRow("u-1", {"segment": "s1"}, ["ad-3"], {"user": counter_row(20, 3)})
    attributes = {"category": "c1", "advertiser": "v4", "size": "4"}
    expected = ENCODER.request(user, {"device": "tv"}).tobytes()
    assert token.inputs == expected + ENCODER.ad("ad-4", attributes).tobytes()
    assert token.feature_fingerprint == SPEC.fingerprint
    assert token.counter_keys == [
        "ad:ad-4", "advertiser:v4", "user:u-1", "segment_category:s1|c1", "ad_segment:ad-4|s1"
    ]  # fmt: skip
    position = LAYOUT.unpack(token.inputs)["request_ids"][0, LAYOUT.position_column or 0]
    assert position == LAYOUT.offsets["position"] + 1


def test_score_keeps_the_order_and_encodes_unknown_ads(
    scorer: RunningScorer, model: TinyModel
) -> None:
    given = scorer_pb2.Candidate(ad_id="stranger", attributes={"category": "c2", "size": "3"})
    merged = scorer_pb2.Candidate(ad_id="ad-7", attributes={"size": "99"})
    plain = scorer_pb2.Candidate(ad_id="ad-8")
    bare = scorer_pb2.Candidate(ad_id="nobody")
    response = scorer.score(candidates=[given, merged, plain, bare])
    assert [ad.ad_id for ad in response.ads] == ["stranger", "ad-7", "ad-8", "nobody"]
    assert [ad.expected_value > 0 for ad in response.ads] == [False, True, True, False]
    assert {(ad.source, ad.propensity) for ad in response.ads} == {("request", 1.0)}
    assert_parity(response, model)
    inputs = served(response.ads[1]).inputs
    expected = ENCODER.ad("ad-7", {"category": "c1", "advertiser": "v2", "size": "99"})
    assert inputs.endswith(expected.tobytes())


def test_score_without_candidates_is_empty(scorer: RunningScorer) -> None:
    assert list(scorer.score().ads) == []


def test_expected_value_orders_by_ctr_times_price(scorer: RunningScorer, model: TinyModel) -> None:
    response = scorer.rank(limit=40, order_by=scorer_pb2.EXPECTED_VALUE)
    values = [ad.expected_value for ad in response.ads]
    assert values == sorted(values, reverse=True)
    assert values == pytest.approx([1_000 * ad.ctr for ad in response.ads])
    assert_parity(response, model)


def test_few_candidates_are_about_the_best(redis_url: str, scorer: RunningScorer) -> None:
    """Retrieval by the FM part must find ads that the whole model ranks high."""
    best = [ad.ad_id for ad in scorer.rank(limit=10).ads]
    with RunningScorer(redis_url, {"candidates": 20}) as narrow:
        narrow.wait_for_model("v1")
        found = [ad.ad_id for ad in narrow.rank(limit=10).ads]
    assert len(set(best) & set(found)) >= 5
    assert np.unique(found).size == 10


def test_tokens_have_what_was_scored_while_everything_changes(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    """An ad's inputs and halves change together: no request sees one new and the other old."""
    stopping = threading.Event()

    def change() -> None:
        for step in range(1, 1 << 20):
            if stopping.is_set():
                return
            keys = [f"ad:ad-{step % 40}", f"advertiser:v{step % 5}"]
            publisher.counters({key: counter_row(step, step // 3) for key in keys}, ts=step)
            publisher.ads(ad(step % 40, ts=step, size=str(step % 11)))

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(60):
            assert_parity(scorer.rank(limit=40), model)
            assert_parity(scorer.score("ad-1", "ad-2", "ad-3"), model)
    finally:
        stopping.set()
        changer.join()
