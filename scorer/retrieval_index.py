"""An immutable FAISS index over ad vectors, by slot: maximum inner product.

Every ad is searched up to a size (flat), inverted lists beyond it (Jégou et al., TPAMI'11).
"""

import math
from typing import Any

import faiss as typed_faiss
import numpy as np
from numpy.typing import NDArray

from scorer.deepfm import Floats

#: Its declared types lack what its Python wrappers add.
faiss: Any = typed_faiss
_TRAINING_PER_LIST = 40


class RetrievalIndex:
    """Vectors as they were when the catalogue had ``revision``."""

    def __init__(
        self,
        vectors: Floats,
        slots: NDArray[np.int64],
        revision: int,
        flat_ads: int,
        probes: int,
    ) -> None:
        """``vectors`` [n, d] of the ads in ``slots`` [n]."""
        self.revision = revision
        self._probes = probes if len(slots) > flat_ads else 0
        dim = vectors.shape[1]
        if self._probes:
            lists = int(4 * math.sqrt(len(slots)))
            flat = faiss.IndexFlatIP(dim)
            self._quantizer = flat
            index = faiss.IndexIVFFlat(flat, dim, lists, faiss.METRIC_INNER_PRODUCT)
            step = max(1, len(slots) // (_TRAINING_PER_LIST * lists))
            index.train(vectors[::step])
        else:
            index = faiss.IndexIDMap(faiss.IndexFlatIP(dim))
        index.add_with_ids(vectors, slots)
        self._index = index

    def search(
        self, query: Floats, count: int, bitmap: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int32], Floats]:
        """The best at most ``count`` slots that have a bit in ``bitmap``, and their scores."""
        selector = faiss.IDSelectorBitmap(bitmap)
        if self._probes:
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=self._probes)
        else:
            parameters = faiss.SearchParameters(sel=selector)
        scores, ids = self._index.search(query.reshape(1, -1), count, params=parameters)
        found = ids[0] >= 0
        return ids[0][found].astype(np.int32), scores[0][found]
