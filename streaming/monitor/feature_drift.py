"""How the inputs that are served differ from those that the model was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from online_model.divergence import kullback_leibler, population_stability, shares
from schemas.feature_reference import FeatureReference, feature_values
from schemas.layout import Layout
from streaming.monitor.sliding_sum import SlidingSum

#: Of fewer rows a divergence says nothing.
LEAST_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Drift:
    """Of one feature; ``default_share`` of the served rows had no value."""

    psi: float
    kl: float
    default_share: float


class FeatureDrift:
    """Of the rows served in the last minutes, against one package's reference."""

    def __init__(self, layout: Layout, reference: FeatureReference, window_ms: int) -> None:
        self._layout = layout
        self._reference = reference
        widths = [len(bins.shares) for bins in reference.features.values()]
        self._ends = np.cumsum(widths).tolist()
        self._sums = SlidingSum((sum(widths) + 1,), window_ms)

    def add(self, inputs: Sequence[bytes], ts_ms: int) -> None:
        """Encoded inputs of rows that were served about ``ts_ms``."""
        size = self._layout.dtype.itemsize
        fitting = [item for item in inputs if len(item) == size]
        if not fitting:
            return
        values = feature_values(self._layout, self._layout.unpack(b"".join(fitting)))
        counts = [bins.counts(values[name]) for name, bins in self._reference.features.items()]
        self._sums.at(ts_ms)[:] += np.concatenate([*counts, [len(fitting)]])

    def advance(self, ts_ms: int) -> None:
        """Let rows that are too old go."""
        self._sums.advance(ts_ms)

    @property
    def rows(self) -> int:
        """How many rows are compared."""
        return int(self._sums.total()[-1])

    def drifts(self) -> dict[str, Drift]:
        """By feature; empty of fewer than LEAST_ROWS rows."""
        if self.rows < LEAST_ROWS:
            return {}
        found = {}
        parts = np.split(self._sums.total()[:-1], self._ends[:-1])
        for (name, bins), counts in zip(self._reference.features.items(), parts, strict=True):
            now = shares(counts)
            reference = shares(np.asarray(bins.shares, np.float64) * self._reference.rows)
            missing = float(counts[0] / counts.sum()) if bins.buckets else 0.0
            found[name] = Drift(
                population_stability(now, reference), kullback_leibler(now, reference), missing
            )
        return found
