"""When clicks come, where a log does not tell: delays drawn for real rows, by their features.

No public log at hand has both features and click times. The law is that of Criteo's conversion
log in outline (Chapelle, KDD'14): many clicks at once, a tail of days, both depending on what was
shown to whom, so that a model must learn who clicks late.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from online_model.studies.delayed_stream import NO_CLICK

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
DELAY_FIELDS = 4


@dataclass(frozen=True, slots=True)
class DelayLaw:
    """A click is early (within ``short_ms``) with a probability σ(early_logit + spread·u(x)).

    Of the others ``very_late`` have a mean of ``very_late_ms``, the rest one of ``late_ms``, both
    exponential, times exp(spread·v(x)/2), and cut off at ``window_ms``. u and v are sums of what
    the seed draws for each value of a few fields, N(0, 1) over all values.
    """

    short_ms: int = 15 * MINUTE_MS
    window_ms: int = 7 * DAY_MS
    early_logit: float = -0.4
    spread: float = 1.0
    late_ms: int = 6 * HOUR_MS
    very_late: float = 0.4
    very_late_ms: int = 3 * DAY_MS

    def clicks(
        self,
        ids: NDArray[np.integer[Any]],
        ts_ms: NDArray[np.int64],
        labels: NDArray[np.floating[Any]],
        seed: int,
    ) -> NDArray[np.int64]:
        """Click times [n] of rows with field values ``ids`` [n, fields] and labels [n].

        NO_CLICK where the label is 0.
        """
        generator = np.random.default_rng(seed)
        rows = len(labels)
        earliness, length = (self._effect(ids, generator) for _ in range(2))
        early = generator.random(rows) < expit(self.early_logit + self.spread * earliness)
        very_late = generator.random(rows) < self.very_late
        mean = np.where(very_late, self.very_late_ms, self.late_ms)
        late_mean = mean * np.exp(self.spread * length / 2)
        delay = np.where(
            early,
            _exponential(generator, np.full(rows, self.short_ms / 4), 0, self.short_ms),
            _exponential(generator, late_mean, self.short_ms, self.window_ms),
        )
        return np.where(labels > 0.5, ts_ms + delay.astype(np.int64), NO_CLICK)

    def _effect(
        self, ids: NDArray[np.integer[Any]], generator: np.random.Generator
    ) -> NDArray[np.float64]:
        fields = generator.choice(ids.shape[1], min(DELAY_FIELDS, ids.shape[1]), replace=False)
        by_value = generator.normal(size=int(ids.max()) + 1)
        effect: NDArray[np.float64] = by_value[ids[:, fields]].sum(axis=1) / np.sqrt(len(fields))
        return effect


def _exponential(
    generator: np.random.Generator, mean: NDArray[np.float64], least: float, most: float
) -> NDArray[np.float64]:
    """Drawn above ``least``, given that it is below ``most``."""
    reach = -np.expm1(-(most - least) / mean)
    drawn: NDArray[np.float64] = least - mean * np.log1p(-generator.random(len(mean)) * reach)
    return drawn
