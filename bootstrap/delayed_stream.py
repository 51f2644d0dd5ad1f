"""The labelled stream that the events job makes of impressions and clicks, computed offline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bootstrap.logged_rows import NO_CLICK


@dataclass(frozen=True, slots=True)
class DelayedStream:
    """Samples [m] as they become due: ``due_ms`` ascending, ``row`` of the impression, ``label``,
    ``kind`` (POSITIVE, NEGATIVE or CORRECTION)."""

    due_ms: NDArray[np.int64]
    row: NDArray[np.int64]
    label: NDArray[np.int64]
    kind: NDArray[np.str_]

    @classmethod
    def of(
        cls,
        ts_ms: NDArray[np.int64],
        click_ms: NDArray[np.int64],
        short_window_ms: int,
        attribution_window_ms: int,
    ) -> "DelayedStream":
        """Of impressions [n] at ``ts_ms`` and their clicks, NO_CLICK where there was none.

        A click after the attribution window is lost, as it is in the stream.
        """
        delay = np.where(click_ms == NO_CLICK, np.iinfo(np.int64).max, click_ms - ts_ms)
        early = np.flatnonzero(delay <= short_window_ms)
        negative = np.flatnonzero(delay > short_window_ms)
        late = np.flatnonzero((delay > short_window_ms) & (delay <= attribution_window_ms))
        row = np.concatenate([early, negative, late])
        due = np.concatenate([click_ms[early], ts_ms[negative] + short_window_ms, click_ms[late]])
        kind = np.repeat(
            ["POSITIVE", "NEGATIVE", "CORRECTION"], [len(early), len(negative), len(late)]
        )
        order = np.argsort(due, kind="stable")
        label = (kind != "NEGATIVE").astype(np.int64)
        return cls(due[order], row[order], label[order], kind[order])

    @classmethod
    def at_once(
        cls, ts_ms: NDArray[np.int64], labels: NDArray[np.floating[Any]]
    ) -> "DelayedStream":
        """Each label [n] is known, for good, as soon as its impression is over."""
        label = (labels > 0.5).astype(np.int64)
        kind = np.where(label > 0, "POSITIVE", "NEGATIVE")
        return cls(ts_ms, np.arange(len(ts_ms)), label, kind)

    @property
    def late_share(self) -> float:
        """Share of the clicks that came after the short window; 1 without clicks."""
        clicks = int(self.label.sum())
        return float(np.sum(self.kind == "CORRECTION")) / clicks if clicks else 1.0
