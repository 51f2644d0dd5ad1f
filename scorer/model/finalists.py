"""Which candidates may be among the best: by their usual tower, then by one in 8 bits, so that few
need the exact one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.ads.ad_arrays import AdArrays
from scorer.kernels import RequestHalf, best_kernels
from scorer.model.half_store import query
from scorer.model.model_holder import ServedModel
from scorer.questions import RankQuestion

#: So many ads most requests ask for.
SERVED_ADS = 10
#: Candidates that go on to the tower in 8 bits: the first of these that loses next to nothing.
_SHORTLISTS = (*range(48, 192, 16), *range(192, 385, 32))
_LEAST_SHORTLISTED = 0.99
#: Ads beyond those asked for whose exact probability is computed, as 8 bits rank nearly right: the
#: first of these with which nearly all of the best are found. With SERVED_ADS they
#: are 12, 16, 24, 32: kernels compute up to twelve together.
_SPARES = (2, 6, 14, 22)
LARGEST_SPARE = _SPARES[-1]
_LEAST_FOUND = 0.998


def finalists(
    served: ServedModel,
    ads: AdArrays,
    half: RequestHalf,
    slots: NDArray[np.int32],
    question: RankQuestion,
    with_tower: bool,
) -> NDArray[np.int32]:
    """Those of the slots [n] that may be among the best, in their order; all if they are few."""
    wanted = question.limit + max(served.spare, question.limit // 4)
    shortlist = max(served.shortlist, 4 * wanted)
    tower = served.quantised if with_tower else None
    if with_tower and tower is None:
        wanted = shortlist
    if len(slots) <= wanted:
        return slots
    return best_kernels().finalists(
        served.store.stored,
        served.store.of_request(half),
        slots,
        wanted,
        None if tower is None else tower.weights,
        shortlist,
        served.model.knots,
        ads.prices if question.by_value else None,
    )


def shortlist_and_spare(
    served: ServedModel, ads: AdArrays, requests: Sequence[NDArray[np.void]], candidates: int
) -> tuple[int, int]:
    """How many of the candidates of a request the tower in 8 bits must see, and how many more than
    are asked for the exact one must see, so that what that one ranks first is found: by these
    requests, each an encoded part (1,)."""
    shortlists, spares = [], []
    for part in requests:
        half = served.model.request_half(part)
        slots = served.index.search(query(half, False), candidates)[0]
        parts = ads.parts.take(slots)
        best = np.argsort(-served.model.logits(half, parts))[:SERVED_ADS]
        usual = best_kernels().gathered_products(served.store.vectors, slots, query(half, False))
        shortlists.append(_ranks(usual)[best])
        if served.quantised is not None:
            towers = served.quantised.logits(served.store, slots, half)
            spares.append(_ranks(usual + towers - served.store.usual.take(slots))[best])
    return (
        _least(_SHORTLISTS, shortlists, 0, _LEAST_SHORTLISTED, candidates),
        _least(_SPARES, spares, SERVED_ADS, _LEAST_FOUND, LARGEST_SPARE),
    )


def _ranks(logits: NDArray[np.float32]) -> NDArray[np.intp]:
    """Places [n] in the order of logits [n], the highest first."""
    return np.argsort(np.argsort(-logits))


def _least(
    counts: Sequence[int],
    ranks: Sequence[NDArray[np.intp]],
    served: int,
    share: float,
    otherwise: int,
) -> int:
    """The first count so that this share of the ranks is below ``served`` and it together."""
    found = np.concatenate((np.empty(0, np.intp), *ranks))
    enough = (n for n in counts if len(found) and (found < served + n).mean() >= share)
    return next(enough, otherwise)
