"""The simulated world is reproducible, and its probabilities are those of its clicks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.features import FeatureSpec
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.world import World

SETTINGS = AdServerSettings(world_users=50, world_ads=40, world_new_ads=10)
NOW_MS = 1_760_000_000_000


@pytest.fixture(scope="module")
def world() -> World:
    return World(3, SETTINGS)


def test_same_seed_same_world() -> None:
    first, second = (list(World(3, SETTINGS).history(200, NOW_MS)) for _ in range(2))
    assert first == second
    assert first != list(World(4, SETTINGS).history(200, NOW_MS))


def test_history_is_in_time_order_and_ends_before_the_stream(world: World) -> None:
    history = list(world.history(203, NOW_MS))
    times = [row.ts for row in history]
    assert len(history) == 203
    assert times == sorted(times)
    assert times[-1] < NOW_MS
    assert {row.position for row in history} == {1, 2, 3, 4, 5}
    assert len({(row.request_id, row.ad_id) for row in history}) == 203


def test_clicks_follow_the_true_probability(world: World) -> None:
    history = list(world.history(6_000, NOW_MS))
    expected = sum(row.true_ctr for row in history)
    spread = np.sqrt(sum(row.true_ctr * (1 - row.true_ctr) for row in history))
    assert abs(sum(row.label for row in history) - expected) < 4 * spread
    assert all((row.click_ts is not None) == bool(row.label) for row in history)
    assert all(row.click_ts > row.ts for row in history if row.click_ts is not None)


def test_attributes_are_those_of_the_feature_set(world: World) -> None:
    spec = FeatureSpec.load("world")
    visit = world.visit(0, NOW_MS, 0.0)
    assert set(visit.context) == spec.context_keys
    sources = {getattr(feature, "source", None) for feature in spec.features}
    assert {*world.user_attributes(0), *world.ad_attributes(0)} <= sources


@given(
    probability=st.floats(1e-4, 1 - 1e-4),
    position=st.integers(1, 20),
)
def test_lower_slots_are_clicked_less(probability: float, position: int) -> None:
    world = World(3, SETTINGS)
    here = world.at_position(probability, position)
    below = world.at_position(probability, position + 1)
    assert 0 < below <= here <= probability + 1e-12


def test_interests_drift_and_come_back(world: World) -> None:
    visit = world.visit(0, NOW_MS, 0.0)
    period = SETTINGS.world_drift_period_seconds
    before = world.probabilities(visit)
    later = world.probabilities(replace(visit, elapsed_seconds=period / 4))
    # Qualities turn three times slower than interests.
    round_trip = world.probabilities(replace(visit, elapsed_seconds=3 * period))
    assert np.abs(before - later).max() > 0.05
    np.testing.assert_allclose(before, round_trip, atol=1e-9)


def test_ads_appear_and_are_paused_once(world: World) -> None:
    changes = [ad for at in range(100) for ad in world.changed_ads(at, at + 1)]
    appeared = [ad for ad in changes if ad >= SETTINGS.world_ads]
    assert set(appeared) == set(range(40, 50))
    assert world.active(0.0).sum() == SETTINGS.world_ads
    late = world.ad(45, NOW_MS, 30.0)
    assert late.status == "ACTIVE"
    assert world.ad(45, NOW_MS, 0.0).status == "PAUSED"


def test_random_ads_are_active_and_distinct(world: World) -> None:
    visit = world.visit(7, NOW_MS, 5.0)
    ads, propensity = world.random_ads(visit, 5)
    active = world.active(5.0)
    assert len(set(ads)) == 5
    assert active[ads].all()
    assert propensity == pytest.approx(1 / active.sum())


def test_an_ad_of_another_world_is_refused(world: World) -> None:
    assert world.ad_number("a7") == 7
    for ad_id in ("a50", "b7", "a-1", ""):
        with pytest.raises(ValueError, match="no ad of this world"):
            world.ad_number(ad_id)
