"""Exploration replays, and its propensities are the true shares."""

from collections import Counter

import numpy as np
import pytest

from scorer import exploration
from tests.scorer.running_scorer import RunningScorer, assert_parity, served
from tests.scorer.tiny_model import TinyModel

EPSILON = 0.3


def test_propensities_are_the_shares_over_requests() -> None:
    """Five eligible ads, two slots: who is last how often equals what is logged."""
    order, mask = np.array([3, 0, 4, 1, 2]), np.array([True] * 5 + [False] * 3)
    seen: Counter[int] = Counter()
    logged: dict[int, float] = {}
    requests = 20_000
    for number in range(requests):
        name = f"r-{number}"
        drawn = exploration.draw(name, mask) if exploration.explores(name, EPSILON) else None
        slate = exploration.slate(order, 2, drawn, eligible=5, epsilon=EPSILON)
        assert slate.places[0] == 3
        assert slate.propensities[0] == 1
        assert slate.explored == (slate.places[1] != 0)
        seen[int(slate.places[1])] += 1
        logged[int(slate.places[1])] = float(slate.propensities[1])
    assert set(logged) == {0, 1, 2, 4}
    assert sum(logged.values()) == pytest.approx(1)
    for place, propensity in logged.items():
        assert seen[place] / requests == pytest.approx(propensity, abs=0.01)


def test_nothing_to_explore() -> None:
    none = exploration.slate(np.array([], np.int64), 3, None, eligible=0, epsilon=EPSILON)
    assert len(none.places) == 0
    all_shown = exploration.slate(np.array([1, 0]), 3, 0, eligible=2, epsilon=EPSILON)
    assert all_shown.places.tolist() == [1, 0]
    assert all_shown.propensities.tolist() == [1, 1]
    assert exploration.draw("r", np.zeros(4, np.bool_)) is None
    assert exploration.draw("r", np.zeros(0, np.bool_)) is None
    rare = np.zeros(100_000, np.bool_)
    rare[77] = True
    assert exploration.draw("r", rare) == 77


def test_served_exploration(redis_url: str, scorer: RunningScorer, model: TinyModel) -> None:
    with RunningScorer(redis_url, {"epsilon": 0.9, "candidates": 5}) as explorer:
        explorer.wait_for_model("v1")
        first = explorer.rank(limit=3, request_id="r-8")
        assert first.ads == explorer.rank(limit=3, request_id="r-8").ads
        sources = set()
        lasts = set()
        for number in range(60):
            response = explorer.rank(limit=3, request_id=f"r-{number}")
            assert_parity(response, model)
            assert [ad.propensity for ad in response.ads[:2]] == [1, 1]
            last = response.ads[2]
            lasts.add(last.ad_id)
            sources.add(last.source)
            expected = 0.9 / 40 if last.source == "exploration" else 1 - 0.9 * 37 / 40
            assert last.propensity == pytest.approx(expected)
            assert served(last).propensity == pytest.approx(expected, rel=1e-6)
    assert sources == {"retrieval", "exploration"}
    assert len(lasts) > 10
