"""Renews the halves of ads whose table rows changed: few ads at once, many in the background."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scorer.ads.catalogue import SLICE, Catalogue
from scorer.metrics import ScorerMetrics
from scorer.model.model_holder import ServedModel

_SLICES_PER_STEP = 16
#: Changes of ads wait while these are renewed.
_MOST_AT_ONCE = 128 * SLICE
_NO_SLOTS: NDArray[np.int32] = np.empty(0, np.int32)


class HalfRefresher:
    """Only the feeder's thread uses it. A click counts as seen when all scores show it."""

    def __init__(
        self, catalogue: Catalogue, metrics: ScorerMetrics, now_ms: Callable[[], int]
    ) -> None:
        self._catalogue = catalogue
        self._metrics = metrics
        self._now_ms = now_ms
        self._waiting, self._sweep = _NO_SLOTS, _NO_SLOTS
        self._waiting_clicks: list[int] = []
        self._sweep_clicks: list[int] = []
        self._waiting_since_ms: int | None = None
        self._sweep_since_ms: int | None = None

    @property
    def busy(self) -> bool:
        """Whether the background has work."""
        return len(self._sweep) > 0 or len(self._waiting) > 0

    def rows_changed(
        self, served: ServedModel, rows: NDArray[np.int32], click_ts: list[int]
    ) -> None:
        """Table rows changed by the learning of clicks with these times (ms)."""
        few, many = self._catalogue.row_owners.of(rows)
        if len(few) > _MOST_AT_ONCE:
            few, many = _NO_SLOTS, np.union1d(few, many)
        for start in range(0, len(few), SLICE):
            self._refresh(served, few[start : start + SLICE])
        if not len(many):
            self._metrics.observe_clicks(click_ts, self._now_ms)
            return
        self._waiting = np.union1d(self._waiting, many)
        self._waiting_clicks += click_ts
        if self._waiting_since_ms is None:
            self._waiting_since_ms = self._now_ms()

    def step(self, served: ServedModel) -> None:
        """Renew some slices of the background's ads."""
        if not len(self._sweep) and len(self._waiting):
            self._sweep, self._waiting = self._waiting, _NO_SLOTS
            self._sweep_clicks, self._waiting_clicks = self._waiting_clicks, []
            self._sweep_since_ms, self._waiting_since_ms = self._waiting_since_ms, None
        for _ in range(_SLICES_PER_STEP):
            if not len(self._sweep):
                break
            self._refresh(served, self._sweep[:SLICE])
            self._sweep = self._sweep[SLICE:]
            if not len(self._sweep):
                self._metrics.observe_clicks(self._sweep_clicks, self._now_ms)
                self._sweep_clicks, self._sweep_since_ms = [], None
        self._show_staleness()

    def reset(self) -> None:
        """Another model is served, which has not learnt the clicks that waited."""
        self._waiting, self._sweep = _NO_SLOTS, _NO_SLOTS
        self._waiting_clicks, self._sweep_clicks = [], []
        self._waiting_since_ms, self._sweep_since_ms = None, None
        self._show_staleness()

    def _show_staleness(self) -> None:
        since = self._sweep_since_ms if self._sweep_since_ms is not None else self._waiting_since_ms
        age_ms = 0 if since is None else self._now_ms() - since
        self._metrics.stale_seconds.set(max(0, age_ms) / 1000)

    def _refresh(self, served: ServedModel, slots: NDArray[np.int32]) -> None:
        served.refresh(slots, self._catalogue.arrays)
