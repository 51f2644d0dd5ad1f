"""What served probabilities were worth, by the labels of the last minutes.

A probability claims to hold at position 1, so all but the comparison of positions is of that one.
"""

import math
from collections.abc import Sequence

import numpy as np

from schemas.layout import Layout
from schemas.records import TrainingSample
from streaming.monitor.sliding_sum import SlidingSum

FLOOR = 1e-6
SCORE_BINS = 400
WIDEST_LOGIT = 14.0
#: Of each dimension so many values are told apart; later ones count as OTHER.
MOST_VALUES = 16
MOST_KEYS = 160
OTHER = "other"
ALL = ("all", "all")
#: A field with more buckets is not told apart.
MOST_BUCKETS = 64
PREDICTED, CLICKS, LOSS, ROWS = range(4)

Key = tuple[str, str]
"""A dimension (all, arm, position or a field's name) and a value of it."""


class ServedQuality:
    """Samples come in any order; of each impression the first label and its correction count."""

    def __init__(self, layout: Layout, window_ms: int) -> None:
        self._layout = layout
        self._fields = [
            (part, column, feature.name, layout.offsets[feature.name])
            for part, features in (
                ("request_ids", layout.request_categoricals),
                ("ad_ids", layout.ad_categoricals),
            )
            for column, feature in enumerate(features)
            if feature.buckets <= MOST_BUCKETS
            and not (part == "request_ids" and column == layout.position_column)
        ]
        self._keys: dict[Key, int] = {ALL: 0}
        self._sums = SlidingSum((MOST_KEYS, 4), window_ms)
        self._scores = SlidingSum((SCORE_BINS, 2), window_ms)

    def add(self, sample: TrainingSample) -> None:
        """One labelled impression."""
        if sample.kind == "MATURE":
            return
        p = min(max(sample.predicted_ctr, FLOOR), 1.0 - FLOOR)
        weight, is_correction = sample.sample_weight, sample.kind == "CORRECTION"
        if is_correction:
            # Its negative, kept or not, was counted with the weight of all like it.
            added = (0.0, weight, weight * (math.log1p(-p) - math.log(p)), 0.0)
        else:
            loss = -math.log(p) if sample.label else -math.log1p(-p)
            added = (weight * p, weight * sample.label, weight * loss, weight)
        sums = self._sums.at(sample.label_ts)
        sums[self._place(("position", str(sample.position)))] += added
        if sample.position != 1:
            return
        for key in (ALL, ("arm", sample.variant), *self._values(sample)):
            sums[self._place(key)] += added
        place = (math.log(p) - math.log1p(-p) + WIDEST_LOGIT) / (2 * WIDEST_LOGIT)
        scores = self._scores.at(sample.label_ts)[int(place * (SCORE_BINS - 1))]
        scores[sample.label] += weight
        if is_correction:
            scores[0] -= weight

    def advance(self, ts_ms: int) -> None:
        """Let labels that are too old go."""
        self._sums.advance(ts_ms)
        self._scores.advance(ts_ms)

    def pcoc(self) -> dict[Key, tuple[float, float]]:
        """Predicted over observed clicks, and the clicks, of each key that has any."""
        total = self._sums.total()
        return {
            key: (float(total[place, PREDICTED] / clicks), float(clicks))
            for key, place in self._keys.items()
            if (clicks := total[place, CLICKS]) > 0
        }

    def log_loss(self) -> float:
        """Mean in nats; NaN without labels."""
        row = self._sums.total()[0]
        return float(row[LOSS] / row[ROWS]) if row[ROWS] > 0 else math.nan

    def auc(self) -> float:
        """Area under the ROC curve, scores of one bin being equal; NaN without both labels."""
        negatives, positives = np.maximum(self._scores.total(), 0.0).T
        pairs = negatives.sum() * positives.sum()
        if not pairs:
            return math.nan
        below = np.cumsum(negatives) - negatives
        return float(np.sum(positives * (below + 0.5 * negatives)) / pairs)

    def _values(self, sample: TrainingSample) -> Sequence[Key]:
        if len(sample.inputs) != self._layout.dtype.itemsize:
            return ()
        row = self._layout.unpack(sample.inputs)[0]
        return [
            (name, str(int(row[part][column]) - offset))
            for part, column, name, offset in self._fields
        ]

    def _place(self, key: Key) -> int:
        place = self._keys.get(key)
        if place is None:
            known = sum(dimension == key[0] for dimension, _ in self._keys)
            if known >= MOST_VALUES and key[1] != OTHER:
                return self._place((key[0], OTHER))
            if len(self._keys) >= MOST_KEYS - 1:
                return MOST_KEYS - 1  # summed, and told by nobody
            place = self._keys[key] = len(self._keys)
        return place
