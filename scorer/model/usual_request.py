"""A request in the middle of all, for what must be known of ads before anyone asks."""

import numpy as np
from numpy.typing import NDArray

from schemas.layout import Layout
from schemas.model_arrays import ModelArrays

Floats = NDArray[np.float32]
#: Rows of a feature that its mean is of, about evenly apart: more would change little.
_ROWS = 1 << 16


def usual_first_layer(layout: Layout, arrays: ModelArrays, nobody: NDArray[np.void]) -> Floats:
    """First layer before its activation [h1] of a request whose every field is the mean of the
    feature's rows, and whose numbers are their means.

    It is nearer to a request, whatever that is, than another request would be, as one of a user of
    whom nothing is known (``nobody``, (1,)) is; only the position is the same for all who ask.
    """
    features = list(layout.request_categoricals)
    if layout.sequence is not None:
        features += [f for f in layout.ad_categoricals if f.name == layout.sequence.of]
    fields = [
        _mean(arrays.table, layout.offsets[feature.name], feature.buckets) for feature in features
    ]
    if layout.position_column is not None:
        position = nobody["request_ids"][0, layout.position_column]
        fields[layout.position_column] = arrays.table[position, 1:]
    embeddings = np.concatenate((np.empty(0, np.float32), *fields))
    first: Floats = arrays.b1 + embeddings @ arrays.w1[: len(embeddings)]
    return first.astype(np.float32)


def _mean(table: Floats, begin: int, rows: int) -> Floats:
    chosen = table[begin : begin + rows : max(1, rows // _ROWS), 1:]
    mean: Floats = chosen.mean(axis=0, dtype=np.float32)
    return mean
