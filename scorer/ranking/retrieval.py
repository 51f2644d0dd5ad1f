"""Maximum inner product search over the ads that a request may be answered with."""

import numpy as np
from numpy.typing import NDArray

from scorer.ads.eligibility import Eligible
from scorer.kernels import best_kernels
from scorer.model.deepfm import Floats
from scorer.model.half_store import HalfStore
from scorer.model.retrieval_index import RetrievalIndex

#: Targeting that leaves no more ads than this is searched without the index.
EXACT_ADS = 20_000


def retrieve(
    query: Floats, count: int, eligible: Eligible, index: RetrievalIndex, store: HalfStore
) -> NDArray[np.int32]:
    """Slots of about the best ``count`` eligible ads for a query vector [dim + 2], ascending."""
    if eligible.count <= count:
        return eligible.listed
    if eligible.slots is not None and len(eligible.slots) <= EXACT_ADS:
        scores = best_kernels().gathered_products(store.vectors, eligible.slots, query)
        return np.sort(best(eligible.slots, scores, count))
    allowed = None if eligible.slots is None else index.allowed(eligible.slots)
    # Blocked ads take places of others.
    wanted = count + len(eligible.blocked)
    probes = index.probes_for(wanted)
    while True:
        found, scores = index.search(query, wanted, allowed, probes)
        if len(eligible.blocked) or allowed is not None:
            kept = np.isin(found, eligible.only(found))
            found, scores = found[kept], scores[kept]
        if len(found) >= count or probes >= index.lists:
            break
        probes *= 4
    slots = np.sort(best(found, scores, count))
    # An ad that changes at this moment may be found twice.
    repeated = slots[1:] == slots[:-1]
    return np.unique(slots) if repeated.any() else slots


def best(slots: NDArray[np.int32], scores: Floats, count: int) -> NDArray[np.int32]:
    """The ``count`` best of slots [n] by their scores [n], in no order."""
    if len(slots) <= count:
        return slots
    worse = len(slots) - count
    chosen: NDArray[np.int32] = slots[scores.argpartition(worse)[worse:]]
    return chosen
