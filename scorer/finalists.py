"""Which candidates may be among the best: by their usual tower, then by one in 8 bits, so that few
need the exact one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.ad_arrays import AdArrays
from scorer.deepfm import Halves
from scorer.half_store import query
from scorer.kernels import best_kernels
from scorer.model_holder import ServedModel
from scorer.questions import RankQuestion

#: Candidates that go on to the tower in 8 bits: the first of these that loses next to nothing.
_SHORTLISTS = (96, 128, 192, 256, 384)
_LEAST_FOUND = 0.99
_SERVED_ADS = 10
#: Ads beyond those asked for whose exact probability is computed: 8 bits rank nearly right.
_SPARE = 16


def finalists(
    served: ServedModel,
    ads: AdArrays,
    half: Halves,
    slots: NDArray[np.int32],
    question: RankQuestion,
    with_tower: bool,
) -> NDArray[np.int32]:
    """Those of the slots [n] that may be among the best, sorted; all if they are few."""
    wanted = question.limit + max(_SPARE, question.limit // 4)
    if len(slots) <= wanted:
        return slots
    logits = best_kernels().gathered_products(served.store.vectors, slots, query(half, False))
    logits += half.scalars[0]
    shortlist = max(served.shortlist, 4 * wanted)
    if with_tower and len(slots) > shortlist:
        kept = _best(served, ads, slots, logits, question.by_value, shortlist)
        slots, logits = slots.take(kept), logits.take(kept)
    if with_tower:
        logits += _tower(served, ads, slots, half) - served.store.usual.take(slots)
    return np.sort(slots.take(_best(served, ads, slots, logits, question.by_value, wanted)))


def _best(
    served: ServedModel,
    ads: AdArrays,
    slots: NDArray[np.int32],
    logits: NDArray[np.float32],
    by_value: bool,
    count: int,
) -> NDArray[np.intp]:
    """Places of the ``count`` best of more slots [n], in no order."""
    worth: NDArray[np.floating[Any]] = logits
    if by_value:
        worth = served.model.probabilities(logits) * ads.prices.take(slots)
    worse = len(slots) - count
    places: NDArray[np.intp] = np.argpartition(worth, worse)[worse:]
    return places


def shortlist_of(
    served: ServedModel, ads: AdArrays, requests: Sequence[NDArray[np.void]], candidates: int
) -> int:
    """How many of the candidates of a request the tower in 8 bits must see, so that what the exact
    one ranks first is among them: by these requests, each an encoded part (1,)."""
    ranks = []
    for part in requests:
        half = served.model.request_half(part)
        slots = served.index.search(query(half, False), candidates)[0]
        halves = served.model.ad_halves(ads.parts.take(slots))
        products = halves.fm_sums @ half.fm_sums[0] + halves.scalars
        exact = products + served.model.tower.logits(halves.hidden + half.hidden)
        usual = np.argsort(np.argsort(-(products + served.store.usual.take(slots))))
        ranks.append(usual[np.argsort(-exact)[:_SERVED_ADS]])
    found = np.concatenate((np.empty(0, np.intp), *ranks))
    enough = (n for n in _SHORTLISTS if len(found) and (found < n).mean() >= _LEAST_FOUND)
    return next(enough, candidates)


def _tower(
    served: ServedModel, ads: AdArrays, slots: NDArray[np.int32], half: Halves
) -> NDArray[np.float32]:
    if served.quantised is not None:
        return served.quantised.logits(served.store, slots, half.hidden)
    halves = served.model.ad_halves(ads.parts.take(slots))
    return served.model.tower.logits(halves.hidden + half.hidden)
