"""The labelled stream that the events job makes of impressions and clicks, computed offline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_CLICK = -1


@dataclass(frozen=True, slots=True)
class DelayedStream:
    """Samples [m] as they become due: ``due_ms`` ascending, ``row`` of the impression, ``label``,
    ``kind`` (POSITIVE, NEGATIVE, CORRECTION or MATURE)."""

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
        mature: bool = False,
    ) -> "DelayedStream":
        """Of impressions [n] at ``ts_ms`` and their clicks, NO_CLICK where there was none.

        A click after the attribution window is lost, as it is in the stream. With ``mature`` the
        final label comes once more at the end of that window.
        """
        delay = np.where(click_ms == NO_CLICK, np.iinfo(np.int64).max, click_ms - ts_ms)
        early = np.flatnonzero(delay <= short_window_ms)
        negative = np.flatnonzero(delay > short_window_ms)
        late = np.flatnonzero((delay > short_window_ms) & (delay <= attribution_window_ms))
        final = np.arange(len(ts_ms) if mature else 0)
        rows = {"POSITIVE": early, "NEGATIVE": negative, "CORRECTION": late, "MATURE": final}
        row = np.concatenate(list(rows.values()))
        kind = np.repeat(list(rows), [len(of) for of in rows.values()])
        wait = {"NEGATIVE": short_window_ms, "MATURE": attribution_window_ms}
        due = np.concatenate(
            [ts_ms[of] + wait[name] if name in wait else click_ms[of] for name, of in rows.items()]
        )
        order = np.argsort(due, kind="stable")
        clicked = (delay <= attribution_window_ms)[row] & (kind != "NEGATIVE")
        return cls(due[order], row[order], clicked.astype(np.int64)[order], kind[order])

    def since(self, start_ms: int) -> "DelayedStream":
        """What is due at ``start_ms`` or later."""
        at = slice(int(np.searchsorted(self.due_ms, start_ms)), None)
        return DelayedStream(self.due_ms[at], self.row[at], self.label[at], self.kind[at])

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
        late = int(np.sum(self.kind == "CORRECTION"))
        clicks = late + int(np.sum(self.kind == "POSITIVE"))
        return late / clicks if clicks else 1.0
