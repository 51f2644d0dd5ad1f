"""Ads are added, changed, paused and deleted while the scorer serves; targeting follows."""

from typing import Any

import numpy as np
import pytest

from schemas.proto.ctr.v1 import scorer_pb2
from schemas.records import Ad
from schemas.redis_keys import CHANGES, ads, shard
from schemas.redis_values import CounterRow, versioned
from schemas.row_changes import RowChange
from scorer.ads.eligibility import eligible_ads
from scorer.kernels import SOURCES
from scorer.ranking.candidate_sources import CandidateSources
from tests.scorer.publisher import ADS, Publisher, ad, counter_row
from tests.scorer.running_scorer import RunningScorer, assert_parity, eventually, served
from tests.scorer.tiny_model import LAYOUT, TinyModel


def ranked(scorer: RunningScorer, **fields: Any) -> set[str]:
    return {ad.ad_id for ad in scorer.rank(limit=100, **fields).ads}


def test_a_new_ad_is_ranked(scorer: RunningScorer, publisher: Publisher, model: TinyModel) -> None:
    publisher.ads(ad(900))
    eventually(lambda: "ad-900" in ranked(scorer))
    assert len(ranked(scorer)) == ADS + 1
    assert_parity(scorer.rank(limit=100), model)
    assert scorer.metric("ctr_scorer_ads") == ADS + 1


def test_an_ad_newer_than_the_index_is_found(redis_url: str, scorer: RunningScorer,
                                              publisher: Publisher) -> None:  # fmt: skip
    """Retrieval merges what the index does not have yet and leaves out what is paused since."""
    best = scorer.rank(limit=1).ads[0].ad_id
    with RunningScorer(redis_url, {"candidates": 5, "index_seconds": 600.0}) as other:
        other.wait_for_model("v1")
        attributes = ad(int(best[3:])).attributes
        publisher.ads(*(Ad(f"ad-{901 + i}", 1, "ACTIVE", 1, attributes) for i in range(30)))
        eventually(lambda: other.metric("ctr_scorer_ads") == ADS + 30)
        assert any(int(a.ad_id[3:]) > 900 for a in other.rank(limit=5).ads)
        assert len(other.rank(limit=5).ads) == 5
        publisher.ads(ad(int(best[3:]), ts=2, status="PAUSED"))
        eventually(lambda: other.metric("ctr_scorer_ads") == ADS + 29)
        assert best not in {a.ad_id for a in other.rank(limit=30).ads}


def test_pause_and_resume(scorer: RunningScorer, publisher: Publisher) -> None:
    publisher.ads(ad(3, ts=2, status="PAUSED"))
    eventually(lambda: "ad-3" not in ranked(scorer))
    assert scorer.metric("ctr_scorer_ads") == ADS - 1
    assert len(scorer.score("ad-3").ads) == 1
    publisher.ads(ad(3, ts=3))
    eventually(lambda: "ad-3" in ranked(scorer))


def test_delete_and_come_again(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    publisher.delete_ad("ad-3", ts=2)
    eventually(lambda: "ad-3" not in ranked(scorer))
    assert scorer.process.catalogue.slot("ad-3") is None
    publisher.ads(ad(3, ts=3, category="c7"))
    eventually(lambda: "ad-3" in ranked(scorer))
    assert_parity(scorer.rank(limit=100), model)


def test_older_changes_change_nothing(scorer: RunningScorer, publisher: Publisher) -> None:
    publisher.ads(ad(3, ts=10, price=5), ad(3, ts=9, price=7))
    publisher.ads(ad(3, ts=8, price=9), ad(950))
    eventually(lambda: "ad-950" in ranked(scorer))
    scored = scorer.score("ad-3").ads[0]
    assert scored.expected_value == pytest.approx(5 * scored.ctr)


def test_price_and_attributes_change(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    before = scorer.score("ad-3").ads[0]
    publisher.ads(ad(3, ts=2, price=9_000_000, category="c7"))
    eventually(lambda: scorer.score("ad-3").ads[0].expected_value > before.expected_value * 100)
    after = scorer.score("ad-3")
    assert served(after.ads[0]).inputs != served(before).inputs
    assert_parity(after, model)
    top = scorer.rank(limit=1, order_by=scorer_pb2.EXPECTED_VALUE).ads[0]
    assert top.ad_id == "ad-3"
    assert ranked(scorer, required_attributes={"category": "c7"}) == {"ad-3"}


def test_counters_change_the_numbers_of_their_ads(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    before = scorer.score("ad-2", "ad-7", "ad-3")
    publisher.counters({"advertiser:v2": counter_row(500, 100)}, ts=1)
    publisher.counters({"advertiser:v2": counter_row(700, 300)}, ts=3)
    publisher.counters({"advertiser:v2": counter_row(1, 0)}, ts=2)

    def volumes() -> list[float]:
        inputs = [served(a).inputs for a in scorer.score("ad-2", "ad-7", "ad-3").ads]
        return [float(LAYOUT.unpack(i)["ad_numbers"][0, -1]) for i in inputs]

    eventually(lambda: volumes()[0] == pytest.approx(np.log1p(700)))
    assert volumes()[1] == volumes()[0]
    after = scorer.score("ad-2", "ad-7", "ad-3")
    assert served(after.ads[2]).inputs == served(before.ads[2]).inputs
    assert_parity(after, model)
    publisher.raw_changes("counters", [RowChange("advertiser:v2", versioned(4, b""))])
    eventually(lambda: volumes()[0] == 0)


def test_counters_that_are_there_at_the_start(
    redis_url: str, publisher: Publisher, model: TinyModel
) -> None:
    publisher.package(model.package)
    publisher.counters({"ad:ad-1": CounterRow((1, 2, 3, 4), (0, 1, 2, 3))}, ts=1, announce=False)
    publisher.ads(ad(1), announce=False)
    with RunningScorer(redis_url) as starting:
        starting.wait_for_model("v1")
        numbers = LAYOUT.unpack(served(starting.score("ad-1").ads[0]).inputs)["ad_numbers"][0]
        assert numbers[2] == pytest.approx(np.log1p(1))
        assert numbers[4] == pytest.approx(np.log1p(4))
        assert_parity(starting.rank(), model)


def test_targeting(scorer: RunningScorer) -> None:
    of_c1 = {f"ad-{n}" for n in range(ADS) if n % 3 == 1}
    assert ranked(scorer, required_attributes={"category": "c1"}) == of_c1
    both = {"category": "c1", "advertiser": "v2"}
    assert ranked(scorer, required_attributes=both) == {"ad-7", "ad-22", "ad-37"}
    assert ranked(scorer, required_attributes={"category": "none"}) == set()
    blocked = ["ad-7", "ad-22", "no-such-ad"]
    assert ranked(scorer, required_attributes=both, blocked_ad_ids=blocked) == {"ad-37"}
    assert len(ranked(scorer, blocked_ad_ids=blocked)) == ADS - 2


def test_damaged_changes_are_refused_and_the_rest_goes_on(
    scorer: RunningScorer, publisher: Publisher
) -> None:
    misnamed = RowChange("ad-2", versioned(9, ad(3).encode()))
    publisher.raw_changes("ads", [RowChange("ad-1", b"12345678nonsense"), misnamed])
    publisher.raw_changes(
        "counters", [RowChange("ad:ad-1", b"123"), RowChange("ad:ad-1", b"8" * 9)]
    )
    publisher.client.xadd(CHANGES, {b"kind": b"ads", b"rows": b"cut"})
    publisher.client.xadd(CHANGES, {b"other": b"fields"})
    publisher.ads(ad(960))
    eventually(lambda: "ad-960" in ranked(scorer))
    assert scorer.metric("ctr_scorer_changes_refused_total") == 6
    assert scorer.metric("ctr_scorer_feeder_errors_total") == 0


def test_without_ads_rank_is_empty_and_score_answers(
    redis_url: str, publisher: Publisher, model: TinyModel
) -> None:
    publisher.package(model.package)
    with RunningScorer(redis_url) as empty:
        empty.wait_for_model("v1")
        assert list(empty.rank().ads) == []
        assert_parity(empty.score("ad-1"), model)


def test_a_stream_that_was_cut_meanwhile_is_reloaded(
    scorer: RunningScorer, publisher: Publisher
) -> None:
    """The scorer was away for so long that changes are gone: the rows tell."""
    feeder = scorer.process._feeder
    eventually(lambda: feeder._changes_after != "0-0")
    publisher.ads(ad(970), announce=False)
    publisher.client.hdel(ads(shard("ad-1")), "ad-1")
    feeder._lost_sight = True
    publisher.client.delete(CHANGES)

    def reloaded() -> bool:
        feeder._lost_sight = True
        return {"ad-970"} <= ranked(scorer) and "ad-1" not in ranked(scorer)

    eventually(reloaded)


def test_the_most_clicked_and_the_newest_ads_are_ranked_too(
    scorer: RunningScorer, publisher: Publisher
) -> None:
    """What retrieval missed is added, named, and as eligible as the rest."""
    publisher.counters({f"ad:ad-{n}": counter_row(900, 300) for n in (5, 6)}, ts=1)
    publisher.ads(ad(901), ad(902))
    catalogue, sources = scorer.process.catalogue, CandidateSources(2, 2)

    def added(*blocked: str) -> dict[str, str]:
        eligible = eligible_ads(catalogue, blocked, {})
        popular = scorer.process.holder.require().popular
        found = np.sort([catalogue.slot("ad-6"), catalogue.slot("ad-7")]).astype(np.int32)
        slots, names = sources.merged(found, popular, eligible)
        assert slots.tolist() == sorted({*slots.tolist(), *found.tolist()})
        others = {slot: SOURCES[names[slot]] for slot in set(slots.tolist()) - set(found.tolist())}
        return {catalogue.arrays.ids.text(slot): name for slot, name in others.items()}

    expected = {"ad-5": "popularity", "ad-901": "recent", "ad-902": "recent"}
    eventually(lambda: added() == expected)
    assert added("ad-5", "ad-901") == {"ad-902": "recent"}
