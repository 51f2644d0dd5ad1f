"""Maximum inner product search over all ads: the index, what is newer than it, and targeting."""

import numpy as np
from numpy.typing import NDArray

from scorer.catalogue import Catalogue
from scorer.deepfm import Floats
from scorer.eligibility import Eligible
from scorer.half_store import HalfStore
from scorer.retrieval_index import RetrievalIndex

#: Targeting that leaves no more ads than this is searched without the index.
EXACT_ADS = 5_000


def retrieve(
    query: Floats,
    count: int,
    eligible: Eligible,
    index: RetrievalIndex,
    store: HalfStore,
    catalogue: Catalogue,
) -> NDArray[np.int32]:
    """Slots of about the best ``count`` eligible ads for a query vector [d], in no order."""
    if eligible.count <= count:
        return np.flatnonzero(eligible.mask).astype(np.int32)
    if eligible.slots is not None and len(eligible.slots) <= EXACT_ADS:
        return _best(eligible.slots, _exact(query, eligible.slots, store, catalogue), count)
    slots, scores = index.search(query, count, eligible.bitmap())
    recent = catalogue.recent(index.revision)
    if len(recent):
        kept = ~np.isin(slots, recent)
        newer = eligible.only(recent)
        slots = np.concatenate((slots[kept], newer))
        scores = np.concatenate((scores[kept], _exact(query, newer, store, catalogue)))
    return _best(slots, scores, count)


def _exact(
    query: Floats, slots: NDArray[np.int32], store: HalfStore, catalogue: Catalogue
) -> Floats:
    with catalogue.lock:
        vectors = store.vectors.take(slots, axis=0, mode="clip")
    scores: Floats = vectors @ query
    return scores


def _best(slots: NDArray[np.int32], scores: Floats, count: int) -> NDArray[np.int32]:
    if len(slots) <= count:
        return slots
    worse = len(slots) - count
    best: NDArray[np.int32] = slots[np.argpartition(scores, worse)[worse:]]
    return best
