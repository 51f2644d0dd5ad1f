"""Exploration replays, and its propensities are the true shares, whatever policy draws."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.experiments import exploration, exploration_pools
from scorer.experiments.exploration import Distribution, Even, Pooled
from scorer.experiments.exploration_pool import Pool, highest_of, thompson, ucb
from scorer.experiments.exploration_pools import ExplorationPools
from tests.scorer.running_scorer import RunningScorer, assert_parity, served
from tests.scorer.tiny_model import TinyModel

EPSILON = 0.3
ALL = np.arange(8, dtype=np.int32)


@dataclass(frozen=True)
class Ads:
    """Eligible ads without a catalogue."""

    listed: NDArray[np.int32]
    drawable: range

    @property
    def count(self) -> int:
        return len(self.listed)

    def only(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.intersect1d(slots, self.listed)


def eligible(*slots: int, of: int = 8) -> Ads:
    return Ads(np.array(slots, np.int32), range(of))


def pooled(*shares: float) -> Pool:
    return Pool(np.arange(len(shares), dtype=np.int32), np.array(shares) / sum(shares))


FIVE = eligible(0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    "distribution",
    [Even(FIVE), Pooled.among(pooled(0.1, 0.2, 0, 0.4, 0.1, 0, 0.3), FIVE)],
    ids=["even", "pooled"],
)
def test_propensities_are_the_shares_over_requests(distribution: Distribution) -> None:
    """Five eligible ads, two slots: who is last how often equals what is logged."""
    order = np.array([3, 0, 4, 1, 2])
    seen: Counter[int] = Counter()
    logged: dict[int, float] = {}
    requests = 10_000
    for number in range(requests):
        name = f"r-{number}"
        explored = exploration.explores(name, EPSILON)
        drawn = distribution.draw(name) if explored else None
        slate = exploration.slate(order, ALL, 2, drawn, distribution, EPSILON)
        assert slate.places[0] == 3
        assert slate.propensities[0] == 1
        assert slate.explored == (slate.places[1] != 0)
        seen[int(slate.places[1])] += 1
        logged[int(slate.places[1])] = float(slate.propensities[1])
    assert sum(logged.values()) == pytest.approx(1)
    for place, propensity in logged.items():
        assert seen[place] / requests == pytest.approx(propensity, abs=0.015)


def test_of_too_many_ads_each_is_looked_at_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploration_pools, "LARGEST_LOOK", 4)
    pools = ExplorationPools((), candidates=1, seed=1)
    looks = [pools._looked_at(np.arange(7, dtype=np.int32)) for _ in range(40)]
    assert max(map(len, looks)) <= 4
    assert set(np.concatenate(looks).tolist()) == set(range(7))


@given(
    shares=st.lists(st.just(0.0) | st.floats(1e-6, 1), min_size=1, max_size=8).filter(
        lambda s: sum(s) > 1e-3
    ),
    shown=st.sets(st.integers(0, 7), min_size=1),
    limit=st.integers(1, 9),
    epsilon=st.just(0.0) | st.floats(1e-6, 0.99),
    even=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_propensities_of_the_last_slot_sum_to_one(
    shares: list[float], shown: set[int], limit: int, epsilon: float, even: bool, seed: int
) -> None:
    """Over all that may be drawn, and the greedy choice: each as likely as is logged for it."""
    ads = eligible(*shown)
    distribution = Even(ads) if even else Pooled.among(pooled(*shares), ads)
    order = np.random.default_rng(seed).permutation(sorted(shown))
    greedy = exploration.slate(order, ALL, limit, None, distribution, epsilon)
    assert not greedy.explored
    assert greedy.propensities[:-1] == pytest.approx(1)
    total = float(greedy.propensities[-1])
    for slot in shown - set(order[:limit].tolist()):
        if distribution.probability(np.array([slot], np.int32)) > 0 and epsilon > 0:
            slate = exploration.slate(order, ALL, limit, slot, distribution, epsilon)
            assert slate.explored
            assert slate.places.tolist() == [*order[: limit - 1].tolist(), slot]
            assert 0 < slate.propensities[-1] <= epsilon
            total += float(slate.propensities[-1])
    assert total == pytest.approx(1)
    drawn = distribution.draw(f"r-{seed}")
    assert drawn is None or drawn in shown


def test_nothing_to_explore() -> None:
    none = Even(eligible())
    nobody = exploration.slate(np.array([], np.int64), ALL, 3, None, none, EPSILON)
    assert len(nobody.places) == 0
    two = Even(eligible(0, 1))
    all_shown = exploration.slate(np.array([1, 0]), ALL, 3, 0, two, EPSILON)
    assert all_shown.places.tolist() == [1, 0]
    assert all_shown.propensities.tolist() == [1, 1]
    assert none.draw("r") is None
    assert Even(eligible(of=0)).draw("r") is None
    assert Pooled.among(Pool.empty(), two.eligible).draw("r") is None
    away = Pooled.among(pooled(0, 0, 1), two.eligible)
    assert away.draw("r") is None
    kept = exploration.slate(np.array([1, 0]), ALL, 1, None, away, EPSILON)
    assert kept.propensities.tolist() == [1]
    assert Even(eligible(77, of=100_000)).draw("r") == 77


counts = st.lists(st.tuples(st.integers(0, 2_000), st.floats(0, 0.5)), min_size=1, max_size=12).map(
    lambda pairs: np.array([(n, round(n * ctr)) for n, ctr in pairs], np.float64)
)


@settings(max_examples=30)
@given(counts=counts, prior=st.floats(0.001, 0.5))
def test_thompson_is_the_chance_to_be_highest(counts: NDArray[np.float64], prior: float) -> None:
    """By quadrature; compared with 20,000 samples, to five of their standard errors."""
    a, b = counts[:, 1] + 10 * prior, counts[:, 0] - counts[:, 1] + 10 * (1 - prior)
    probabilities = highest_of(a, b)
    assert probabilities.sum() == pytest.approx(1)
    assert (probabilities >= 0).all()
    draws = 20_000
    best = np.random.default_rng(1).beta(a, b, (draws, len(a))).argmax(axis=1)
    sampled = np.bincount(best, minlength=len(a)) / draws
    assert probabilities == pytest.approx(sampled, abs=0.02)


def test_new_ads_are_proposed_by_both_policies() -> None:
    """Of 1,000 ads 990 are known to be bad, five are known to be good, five are new."""
    impressions = np.full(1_000, 5_000, np.float32)
    clicks = np.full(1_000, 25, np.float32)
    clicks[:5] = 500
    impressions[5:10] = clicks[5:10] = 0
    slots = np.arange(1_000, dtype=np.int32)
    for pool in (
        ucb(slots, impressions, clicks, 0.05, 10),
        thompson(slots, impressions, clicks, 0.05, 10, np.random.default_rng(3)),
    ):
        assert pool.probabilities.sum() == pytest.approx(1)
        assert len(pool.slots) == 10
        new = (pool.slots >= 5) & (pool.slots < 10)
        assert new.sum() == 5 or pool.probabilities[new].sum() > 0.1
        assert pool.probabilities[pool.slots >= 10].sum() < 0.51


@pytest.mark.parametrize("policy", ["epsilon_greedy", "ucb", "thompson"])
def test_served_exploration(
    redis_url: str,
    scorer: RunningScorer,
    model: TinyModel,
    tmp_path: Path,
    policy: Literal["epsilon_greedy", "ucb", "thompson"],
) -> None:
    arms = tmp_path / "arms.yaml"
    explored = f"{{policy: {policy}, probability: 0.9, share: 1}}"
    arm = f"{{name: deepfm, share: 1, model: deepfm, exploration: {explored}}}"
    arms.write_text(f"{{salt: s, arms: [{arm}]}}")
    chosen = {"candidates": 5, "arms": arms}
    with RunningScorer(redis_url, chosen) as explorer:
        explorer.wait_for_model("v1")
        explorer.wait_for_pools()
        # A pool may be renewed at any time: the same request then draws from another one.
        if policy == "epsilon_greedy":
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
            assert served(last).propensity == pytest.approx(last.propensity, rel=1e-6)
            if policy == "epsilon_greedy":
                drawn = last.source == "exploration"
                expected = 0.9 / 40 if drawn else 1 - 0.9 * 37 / 40
                assert last.propensity == pytest.approx(expected)
            elif last.source == "exploration":
                assert 0 < last.propensity <= 0.9
    assert sources == {"retrieval", "exploration"}
    assert len(lasts) > (10 if policy == "epsilon_greedy" else 2)
