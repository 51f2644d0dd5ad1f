"""Which candidates may be among the best: by 8 bits, so that few need the exact tower."""

import numpy as np
from numpy.typing import NDArray

from scorer.ad_arrays import AdArrays
from scorer.deepfm import Halves
from scorer.half_store import query
from scorer.kernels import best_kernels
from scorer.model_holder import ServedModel
from scorer.questions import RankQuestion
from scorer.retrieval import best

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
    if with_tower:
        logits += _tower(served, ads, slots, half) - served.store.usual.take(slots)
    if question.by_value:
        values = served.model.probabilities(logits) * ads.prices.take(slots)
        return np.sort(best(slots, values, wanted))
    return np.sort(best(slots, logits, wanted))


def _tower(
    served: ServedModel, ads: AdArrays, slots: NDArray[np.int32], half: Halves
) -> NDArray[np.float32]:
    if served.quantised is not None:
        return served.quantised.logits(served.store, slots, half.hidden)
    halves = served.model.ad_halves(ads.parts.take(slots))
    return served.model.tower.logits(halves.hidden + half.hidden)
