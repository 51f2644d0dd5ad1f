"""Declared crosses as rows of their own: a hashed tuple of ids, after the rows of the features."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.features import FeatureSpec
from schemas.layout import Layout


def cross_ids(
    spec: FeatureSpec, layout: Layout, samples: NDArray[np.void]
) -> NDArray[np.signedinteger[Any]]:
    """Rows int64 [n, crosses] of samples [n], in [layout.rows, layout.rows + cross_buckets).

    All crosses share ``spec.cross_buckets`` rows (the hashing trick).
    """
    names = [f.name for f in (*layout.request_categoricals, *layout.ad_categoricals)]
    ids = np.concatenate([samples["request_ids"], samples["ad_ids"]], axis=1).astype(np.uint64)
    rows = np.empty((len(samples), len(spec.crosses)), np.int64)
    for index, cross in enumerate(spec.crosses):
        digest = np.full(len(samples), index + 1, np.uint64)
        for name in cross:
            digest = _mixed(digest ^ ids[:, names.index(name)])
        rows[:, index] = layout.rows + (digest % np.uint64(spec.cross_buckets)).astype(np.int64)
    return rows


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64 (Steele et al., OOPSLA'14): every input bit changes every output bit."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
