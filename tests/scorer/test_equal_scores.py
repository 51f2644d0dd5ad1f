"""Ads of one vector and one price, as a new campaign has them, are found as any others are."""

import numpy as np
import pytest

from scorer.kernels import Index, Kernels, Lists
from scorer.kernels.plain import PlainKernels

PLAIN = PlainKernels()
GROUPS, BLOCKS, BETTER = 2, 60, 5


def equal_lists(blocks: int) -> Lists:
    """16 rows a block, of one score each."""
    rows = 16 * blocks
    return Lists(
        codes=np.full((blocks, GROUPS, 16, 4), 200, np.uint8),
        biases=np.full(rows, 0.5, np.float32),
        log_prices=np.zeros(rows, np.float32),
        live=np.full(blocks, 0xFFFF, np.uint16),
    )


# There is room for 2 * wanted + 32 rows at a time: for a few of them, or for all.
@pytest.mark.parametrize("wanted", [1, 20, 300, 2_000])
@pytest.mark.parametrize("better_at", [None, 0, 400, 16 * BLOCKS - BETTER])
@pytest.mark.parametrize("worse", [False, True])
def test_scan(kernels: Kernels, wanted: int, better_at: int | None, worse: bool) -> None:
    lists = equal_lists(BLOCKS)
    if worse:
        lists.biases[100:130] -= 3
    if better_at is not None:
        lists.biases[better_at : better_at + BETTER] += np.linspace(0.25, 3, BETTER)
    whole = np.array([0], np.int64), np.array([BLOCKS], np.int64)
    query = np.ones(4 * GROUPS, np.int8)
    positions, scores = kernels.scan(lists, *whole, query, 1e-3, 0.0, wanted)
    _, expected = PLAIN.scan(lists, *whole, query, 1e-3, 0.0, wanted)
    assert len(np.unique(positions)) == len(positions) == min(wanted, 16 * BLOCKS)
    assert np.sort(scores) == pytest.approx(np.sort(expected))


@pytest.mark.parametrize(("lists", "probes"), [(0, 8), (60, 4)])
@pytest.mark.parametrize("better", [0, BETTER])
def test_search(kernels: Kernels, lists: int, probes: int, better: int) -> None:
    """Of equal lists, too, as many are searched as are asked for."""
    blocks = lists + 20
    index = Index(
        rows=equal_lists(blocks),
        centroids=equal_lists(-(-lists // 16)),
        steps=np.full(4 * GROUPS, 0.01, np.float32),
        starts=np.arange(lists + 1),
        open=np.array([16 * (blocks - 10)]),
        slots=np.arange(16 * blocks, dtype=np.int32)[::-1].copy(),
    )
    index.centroids.live[-1:] &= (1 << lists % 16) - 1
    # In the open list, which is searched last.
    index.rows.biases[16 * (lists + 9) :][:better] += 1
    query = np.ones(4 * GROUPS + 2, np.float32)
    for wanted in (20, 100):
        slots, scores = kernels.search(index, query, wanted, probes)
        _, expected = PLAIN.search(index, query, wanted, probes)
        assert len(np.unique(slots)) == len(slots) == wanted
        assert np.sort(scores) == pytest.approx(np.sort(expected))
        assert (scores > scores.min() + 0.5).sum() == better
