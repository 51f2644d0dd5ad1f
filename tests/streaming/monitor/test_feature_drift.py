"""A distribution against itself, against another, and against one that it has never seen."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import entropy

from online_model.divergence import kullback_leibler, population_stability, shares
from schemas.feature_reference import COMMONEST, FeatureReference
from schemas.features import FeatureSpec
from schemas.layout import Layout
from streaming.monitor.feature_drift import LEAST_ROWS, FeatureDrift

LAYOUT = Layout.of(FeatureSpec.load("world"))
WINDOW_MS = 900_000


def rows(count: int, seed: int, shift: float = 0.0) -> NDArray[np.void]:
    random = np.random.default_rng(seed)
    made = np.zeros(count, LAYOUT.dtype)
    for part, features in (
        ("request_ids", LAYOUT.request_categoricals),
        ("ad_ids", LAYOUT.ad_categoricals),
    ):
        for column, feature in enumerate(features):
            buckets = 1 + random.poisson(5 + shift, count) % (feature.buckets - 1)
            made[part][:, column] = LAYOUT.offsets[feature.name] + buckets
    for part in ("request_numbers", "ad_numbers"):
        made[part] = random.normal(shift, 1.0, made[part].shape)
    made["sequence"] = -1
    return made


def drift_of(served: NDArray[np.void]) -> FeatureDrift:
    reference = FeatureReference.of(LAYOUT, rows(20_000, seed=1))
    drift = FeatureDrift(LAYOUT, reference, WINDOW_MS)
    drift.add([served[i].tobytes() for i in range(len(served))], 0)
    return drift


def test_the_same_distribution_does_not_drift() -> None:
    found = drift_of(rows(5_000, seed=2)).drifts()
    assert set(found) >= {"segment", "ad", "clicked_ads", "ad_clicks.1h.ctr"}
    assert "position" not in found
    assert max(drift.psi for drift in found.values()) < 0.05


def test_another_one_does() -> None:
    found = drift_of(rows(5_000, seed=2, shift=1.5)).drifts()
    assert found["segment"].psi > 0.25
    assert found["ad_clicks.1h.ctr"].psi > 0.25
    assert found["ad_clicks.1h.ctr"].kl > 0.1


def test_missing_values_are_told() -> None:
    served = rows(4_000, seed=2)
    column = [feature.name for feature in LAYOUT.request_categoricals].index("segment")
    served["request_ids"][:1_000, column] = LAYOUT.offsets["segment"]
    found = drift_of(served).drifts()
    assert found["segment"].default_share == pytest.approx(0.25)
    assert found["segment"].psi > 0.25


def test_few_rows_say_nothing_and_old_ones_go() -> None:
    drift = drift_of(rows(LEAST_ROWS - 1, seed=2))
    assert drift.drifts() == {}
    drift.advance(2 * WINDOW_MS)
    assert drift.rows == 0


def test_divergences_are_scipys() -> None:
    now, reference = shares(np.array([8.0, 1.0, 1.0])), shares(np.array([2.0, 2.0, 6.0]))
    assert kullback_leibler(now, reference) == pytest.approx(entropy(now, reference))
    both = entropy(now, reference) + entropy(reference, now)
    assert population_stability(now, reference) == pytest.approx(both)


def test_the_reference_is_small_and_survives_its_bytes() -> None:
    reference = FeatureReference.of(LAYOUT, rows(20_000, seed=1))
    data = reference.model_dump_json()
    assert len(data) < 64 * 1024
    assert FeatureReference.model_validate_json(data) == reference
    for bins in reference.features.values():
        assert sum(bins.shares) == pytest.approx(1.0)
        assert len(bins.shares) <= COMMONEST + 2
