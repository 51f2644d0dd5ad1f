"""The index against a plain search over all ads."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.kernels import best_kernels
from scorer.model.retrieval_index import RetrievalIndex
from scorer.ranking.retrieval import retrieve
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import RunningScorer, eventually
from tests.scorer.tiny_model import TinyModel

ADS, DIM = 3_000, 6
FIRST = 500


def built(
    folder: Path,
    vectors: NDArray[np.float32],
    active: NDArray[np.int32],
    flat_ads: int,
    probes: int,
) -> RetrievalIndex:
    path = folder / "index"
    return RetrievalIndex.build(
        path, vectors, active, len(vectors), flat_ads, probes, best_kernels()
    )


def vectors_of(random: np.random.Generator) -> NDArray[np.float32]:
    """FM sums, scalar, log price of ads in slots from FIRST on."""
    return random.standard_normal((FIRST + ADS, DIM + 2)).astype(np.float32)


def recall(index: RetrievalIndex, vectors: NDArray[np.float32], there: NDArray[np.int32]) -> float:
    """Mean share of the true best 50 that are found; what is found has about the right score."""
    random = np.random.default_rng(1)
    shares = []
    for _ in range(20):
        query = np.append(random.standard_normal(DIM), (1.0, 0.5)).astype(np.float32)
        scores = vectors[there] @ query
        best = there[np.argsort(-scores)[:50]]
        found, found_scores = index.search(query, 50)
        assert np.isin(found, there).all()
        assert len(np.unique(found)) == 50
        assert found_scores == pytest.approx(vectors[found] @ query, abs=0.15)
        shares.append(np.isin(best, found).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize(("flat_ads", "least"), [(ADS, 0.97), (100, 0.8)])
def test_recall(tmp_path: Path, flat_ads: int, least: float) -> None:
    """8 bits rank nearly right; inverted lists with a third of them probed find most."""
    vectors = vectors_of(np.random.default_rng(5))
    active = np.arange(FIRST, FIRST + ADS, dtype=np.int32)
    index = built(tmp_path, vectors, active, flat_ads, probes=70)
    assert bool(index.lists) == (flat_ads < ADS)
    assert recall(index, vectors, active) >= least


@pytest.mark.parametrize("flat_ads", [ADS, 100])
def test_ads_come_change_and_go(tmp_path: Path, flat_ads: int) -> None:
    random = np.random.default_rng(6)
    vectors = vectors_of(random)
    there = np.arange(FIRST, FIRST + ADS - 300, dtype=np.int32)
    index = built(tmp_path, vectors, there, flat_ads, probes=1_000)
    assert recall(index, vectors, there) >= 0.95
    came = np.arange(FIRST + ADS - 300, FIRST + ADS, dtype=np.int32)
    assert index.put(came, vectors[came], np.ones(300, np.bool_)) == 0
    there = np.append(there, came)
    paused = there[::7]
    index.put(paused, vectors[paused], np.zeros(len(paused), np.bool_))
    there = np.setdiff1d(there, paused)
    changed, refreshed = there[::5], there[1::5]
    vectors[np.append(changed, refreshed)] *= -0.5
    index.put(changed, vectors[changed], np.ones(len(changed), np.bool_))
    index.refresh(refreshed, vectors[refreshed])
    assert recall(index, vectors, there) >= 0.95


def test_a_mask_of_slots(tmp_path: Path) -> None:
    vectors = vectors_of(np.random.default_rng(7))
    active = np.arange(FIRST, FIRST + ADS, dtype=np.int32)
    index = built(tmp_path, vectors, active, 100, probes=1_000)
    some = active[::9]
    query = np.ones(DIM + 2, np.float32)
    found, _ = index.search(query, 50, index.allowed(some))
    assert len(found) == 50
    assert np.isin(found, some).all()


def test_without_ads(tmp_path: Path) -> None:
    index = built(tmp_path, np.zeros((8, DIM + 2), np.float32), np.empty(0, np.int32), 10, 1)
    found, _ = index.search(np.ones(DIM + 2, np.float32), 5)
    assert found.tolist() == []


def test_an_ad_that_is_found_twice_is_ranked_once() -> None:
    """As one that moves from its list to the open one while both are searched."""
    found = np.array([7, 3, 9, 3, 5], np.int32), np.array([4, 3, 2, 3, 1], np.float32)
    index: Any = SimpleNamespace(lists=1, probes_for=lambda _: 1, search=lambda *_: found)
    eligible: Any = SimpleNamespace(count=10, slots=None, blocked=())
    store: Any = None
    query = np.ones(DIM + 2, np.float32)
    assert retrieve(query, 5, eligible, index, store).tolist() == [3, 5, 7, 9]
    assert retrieve(query, 3, eligible, index, store).tolist() == [3, 7]


def test_blocked_ads_leave_their_places_to_others(
    redis_url: str, publisher: Publisher, model: TinyModel
) -> None:
    """One inverted list does not hold as many as are asked for once its best are blocked."""
    publisher.package(model.package)
    publisher.ads(*(ad(number) for number in range(400)))
    overrides = {"flat_index_ads": 50, "index_probes": 1, "candidates": 5}
    with RunningScorer(redis_url, overrides) as running:
        running.wait_for_model(model.version)
        best = [item.ad_id for item in running.rank(limit=200).ads]
        others = [item.ad_id for item in running.rank(limit=150, blocked_ad_ids=best).ads]
    assert len(best) == 200
    assert len(set(others)) == 150
    assert not set(best) & set(others)


def test_recall_is_a_metric_of_the_running_scorer(redis_url: str, scorer: RunningScorer) -> None:
    with RunningScorer(redis_url, {"recall_seconds": 0.01, "candidates": 5}) as watched:
        watched.wait_for_model("v1")

        def is_observed() -> bool:
            watched.rank(limit=3)
            return watched.metric("ctr_scorer_recall_count") >= 3

        eventually(is_observed)
        count = watched.metric("ctr_scorer_recall_count")
        assert watched.metric("ctr_scorer_recall_sum") / count >= 0.9
