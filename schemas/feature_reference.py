"""How each feature's values lay in training: bins of bounded number, for comparison with serving.

A categorical feature has a bin for missing values, one for each of its commonest buckets, and one
for the rest; a number has bins of equal shares; the sequence has one for each length. Position is
left out: it is learnt as shown and served as 1.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from schemas.layout import Layout, raw_numbers

COMMONEST = 30
QUANTILES = 10


class FeatureBins(BaseModel):
    """With ``buckets`` each has a bin, the first of them (0) that of missing values, and a last bin
    has all others; with ascending ``bounds`` bin i is [bounds[i − 1], bounds[i]). ``shares`` of the
    bins sum to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    buckets: tuple[int, ...] = ()
    bounds: tuple[float, ...] = ()
    shares: tuple[float, ...]

    def counts(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """How many of values [n] lie in each bin."""
        if self.buckets:
            order = np.argsort(self.buckets)
            known = np.asarray(self.buckets)[order]
            place = np.minimum(np.searchsorted(known, values), len(known) - 1)
            bins = np.where(known[place] == values, order[place], len(known))
        else:
            bins = np.searchsorted(np.asarray(self.bounds), values, side="right")
        return np.bincount(bins, minlength=len(self.shares)).astype(np.float64)


class FeatureReference(BaseModel):
    """Of the training rows of a package, by the names of :func:`feature_values`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rows: int
    features: dict[str, FeatureBins]

    @classmethod
    def of(cls, layout: Layout, samples: NDArray[np.void]) -> "FeatureReference":
        """Of samples [n] of ``layout.dtype``, n > 0."""
        features = {}
        for name, values in feature_values(layout, samples).items():
            empty = _bins(values, name in layout.number_names)
            shares = empty.counts(values) / len(values)
            features[name] = empty.model_copy(update={"shares": tuple(shares.tolist())})
        return cls(rows=len(samples), features=features)


def feature_values(layout: Layout, samples: NDArray[np.void]) -> Mapping[str, NDArray[np.generic]]:
    """Values [n] of each feature: buckets with 0 for a missing value, numbers as they are encoded,
    the length of the sequence."""
    values: dict[str, NDArray[np.generic]] = {}
    for part, features in (
        ("request_ids", layout.request_categoricals),
        ("ad_ids", layout.ad_categoricals),
    ):
        for column, feature in enumerate(features):
            if part == "request_ids" and column == layout.position_column:
                continue
            values[feature.name] = samples[part][:, column] - layout.offsets[feature.name]
    if layout.sequence is not None:
        values[layout.sequence.name] = (samples["sequence"] >= 0).sum(axis=1)
    numbers = raw_numbers(samples)
    values.update(zip(layout.number_names, numbers.T, strict=True))
    return values


def _bins(values: NDArray[np.generic], is_number: bool) -> FeatureBins:
    if is_number:
        inner = np.quantile(values.astype(np.float64), np.arange(1, QUANTILES) / QUANTILES)
        bounds = tuple(np.unique(inner).tolist())
        return FeatureBins(bounds=bounds, shares=(0.0,) * (len(bounds) + 1))
    found, counts = np.unique(values, return_counts=True)
    commonest = found[np.argsort(-counts, kind="stable")][:COMMONEST].tolist()
    buckets = (0, *(int(bucket) for bucket in commonest if bucket != 0))
    return FeatureBins(buckets=buckets, shares=(0.0,) * (len(buckets) + 1))
