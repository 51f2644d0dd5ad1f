"""Each rung of the fallback ladder answers, says which it is, and mints honest tokens."""

from typing import Any

import grpc
import numpy as np
import pytest

from schemas.proto.ctr.v1 import scorer_pb2
from tests.scorer.publisher import Publisher, ad, counter_row
from tests.scorer.running_scorer import RunningScorer, assert_parity, eventually, refusal, served
from tests.scorer.tiny_model import CALIBRATION, ENCODER, LAYOUT, TinyModel

#: More than any budget: there is never time for what needs it.
NEVER_MS = 100_000.0


def assert_tokens(response: scorer_pb2.RankResponse) -> None:
    """What popularity answered is not said to be the model's."""
    by_popularity = response.rung == scorer_pb2.POPULAR
    assert response.model_version == ("popularity" if by_popularity else "v1")
    assert response.ads
    for shown in response.ads:
        token = served(shown)
        assert token.predicted_ctr == pytest.approx(shown.ctr, rel=1e-6)
        assert token.model_version == response.model_version
        assert len(token.inputs) == LAYOUT.dtype.itemsize
        assert 0 < shown.ctr < 1


def test_no_user_when_redis_is_late(
    redis_url: str, scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    publisher.user("u-1", {"segment": "s1"})
    with RunningScorer(redis_url, {"user_timeout_ms": 100.0}) as hasty:
        hasty.wait_for_model("v1")
        publisher.client.client_pause(1_500)
        late = hasty.rank()
        assert late.rung == scorer_pb2.NO_USER
        assert hasty.score("ad-1").rung == scorer_pb2.NO_USER
        assert_parity(late, model)
        assert served(late.ads[0]).counter_keys[2] == "user:u-1"
        eventually(lambda: hasty.rank().rung == scorer_pb2.FULL)
        assert hasty.metric("ctr_scorer_user_reads_total", outcome="late") >= 2
        assert hasty.metric("ctr_scorer_user_reads_total", outcome="found") >= 1


def test_retrieval_only_without_time_for_the_tower(
    redis_url: str, scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    with RunningScorer(redis_url, {"tower_reserve_ms": NEVER_MS}) as slow:
        slow.wait_for_model("v1")
        for response in (slow.rank(limit=40), slow.score("ad-1", "new")):
            assert response.rung == scorer_pb2.RETRIEVAL_ONLY
            assert_tokens(response)
        ranked = slow.rank(limit=40).ads
        usual, catalogue = slow.process.holder.require().store.usual, slow.process.catalogue
        slots = [catalogue.slot(ad.ad_id) for ad in ranked]
        logits = [
            model.logit(served(ad).inputs, tower=False) + usual[slot]
            for ad, slot in zip(ranked, slots, strict=True)
        ]
        expected = CALIBRATION.probabilities(np.array(logits))
        assert [ad.ctr for ad in ranked] == pytest.approx(list(expected), rel=1e-3)
        assert list(expected) == sorted(expected, reverse=True)


def test_popular_ads_without_time_for_the_model(
    redis_url: str, scorer: RunningScorer, publisher: Publisher
) -> None:
    publisher.counters({"ad:ad-5": counter_row(900, 90), "ad:ad-6": counter_row(900, 300)}, ts=1)
    with RunningScorer(redis_url, {"retrieval_reserve_ms": NEVER_MS}) as slow:
        slow.wait_for_model("v1")
        response = slow.rank(limit=5)
        assert response.rung == scorer_pb2.POPULAR
        assert_tokens(response)
        assert [ad.ad_id for ad in response.ads[:1]] == ["ad-6"]
        assert response.ads[0].ctr == pytest.approx(300 / 900, rel=0.1)
        assert {ad.source for ad in response.ads} == {"popularity"}
        targeted = slow.rank(required_attributes={"category": "c1"}, blocked_ad_ids=["ad-1"])
        assert len(targeted.ads) == 10
        assert "ad-1" not in {ad.ad_id for ad in targeted.ads}
        scored = slow.score("ad-5", "new")
        assert scored.rung == scorer_pb2.POPULAR
        assert_tokens(scored)
        assert scored.ads[0].ctr == pytest.approx(90 / 900, rel=0.2)
        assert served(scored.ads[1]).inputs.endswith(ENCODER.ad("new", {}).tobytes())


def test_what_is_eligible_is_answered_however_unpopular(
    redis_url: str, scorer: RunningScorer, publisher: Publisher
) -> None:
    publisher.counters({f"ad:ad-{n}": counter_row(900, 300 - n) for n in range(40)}, ts=1)
    # Two limits of popular ads are known.
    with RunningScorer(redis_url, {"retrieval_reserve_ms": NEVER_MS, "max_limit": 5}) as slow:
        slow.wait_for_model("v1")
        blocked = [f"ad-{n}" for n in range(8)]
        answer = slow.rank(limit=4, blocked_ad_ids=blocked)
        assert [shown.ad_id for shown in answer.ads] == ["ad-8", "ad-9", "ad-10", "ad-11"]
        answer = slow.rank(limit=2, required_attributes=ad(39).attributes)
        assert [shown.ad_id for shown in answer.ads] == ["ad-39"]


@pytest.mark.parametrize(
    ("reserves", "rung"),
    [
        ({"tower_reserve_ms": 6_000.0}, scorer_pb2.RETRIEVAL_ONLY),
        ({"tower_reserve_ms": 6_000.0, "retrieval_reserve_ms": 6_000.0}, scorer_pb2.POPULAR),
    ],
)
def test_the_deadline_of_grpc_lowers_the_rung(
    redis_url: str, scorer: RunningScorer, reserves: dict[str, Any], rung: int
) -> None:
    with RunningScorer(redis_url, reserves) as other:
        other.wait_for_model("v1")
        assert other.rank().rung == scorer_pb2.FULL
        assert other.rank(timeout=5).rung == rung
        assert other.score("ad-1", timeout=5).rung == rung


def test_a_fault_of_the_model_answers_popular_ads(
    scorer: RunningScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_model = scorer.process.holder.require()

    def fail(part: object) -> None:
        raise RuntimeError("broken model")

    monkeypatch.setattr(served_model.model, "request_half", fail)
    response = scorer.rank()
    assert response.rung == scorer_pb2.POPULAR
    assert_tokens(response)


def test_a_fault_of_ours_is_counted_and_says_nothing_of_the_inside(
    scorer: RunningScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(scorer.process.ranker, "rank", fail)
    code, message = refusal(scorer.rank)
    assert code == grpc.StatusCode.INTERNAL
    assert "secret" not in message
    assert scorer.metric("ctr_scorer_requests_total", method="Rank", code="INTERNAL", rung="") == 1
