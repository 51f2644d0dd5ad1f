"""The index against a plain search over all ads."""

import numpy as np
import pytest

from scorer.retrieval_index import RetrievalIndex

ADS, DIM = 3_000, 6


def bitmap(
    mask: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.packbits(mask, bitorder="little")


@pytest.mark.parametrize(("flat_ads", "recall"), [(ADS, 1.0), (100, 0.8)])
def test_recall(flat_ads: int, recall: float) -> None:
    """Flat is exact; inverted lists with a third of them probed find most; masked ads never."""
    random = np.random.default_rng(5)
    vectors = random.standard_normal((ADS, DIM)).astype(np.float32)
    slots = np.arange(ADS, dtype=np.int64) + 500
    index = RetrievalIndex(vectors, slots, 1, flat_ads, probes=70)
    mask = np.ones(ADS + 500, np.bool_)
    mask[500:900] = False
    found_best = []
    for _ in range(10):
        query = random.standard_normal(DIM).astype(np.float32)
        scores = vectors @ query
        scores[~mask[500:]] = -np.inf
        best = np.argsort(-scores)[:50] + 500
        found, found_scores = index.search(query, 50, bitmap(mask))
        assert mask[found].all()
        assert found_scores == pytest.approx(scores[found - 500], rel=1e-4)
        found_best.append(np.isin(best, found).mean())
    assert np.mean(found_best) >= recall


def test_fewer_ads_than_wanted() -> None:
    index = RetrievalIndex(np.ones((2, DIM), np.float32), np.array([4, 9]), 1, 10, 1)
    found, _ = index.search(np.ones(DIM, np.float32), 5, bitmap(np.arange(10) == 9))
    assert found.tolist() == [9]


def test_no_ads() -> None:
    index = RetrievalIndex(np.empty((0, DIM), np.float32), np.empty(0, np.int64), 0, 10, 1)
    found, _ = index.search(np.ones(DIM, np.float32), 5, bitmap(np.ones(8, np.bool_)))
    assert found.tolist() == []
