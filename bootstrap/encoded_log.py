"""A log as arrays: encoded samples as the scorer would have served them, times and labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bootstrap.event_counts import EventCounts
from bootstrap.logged_rows import NO_CLICK, LoggedRow
from online_model.history import History
from schemas.encoding import Encoder
from schemas.features import FeatureSpec


@dataclass(frozen=True, slots=True)
class EncodedLog:
    """Rows [n] in time order. ``samples`` have position 1, ``positions`` where they were shown;
    ``late_share`` of the clicks came after the short window, None if the log does not tell."""

    samples: NDArray[np.void]
    positions: NDArray[np.int64]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    ts_ms: NDArray[np.int64]
    click_ms: NDArray[np.int64]
    late_share: float | None

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, end: int) -> "EncodedLog":
        """Rows [start, end)."""
        return EncodedLog(
            self.samples[start:end],
            self.positions[start:end],
            self.labels[start:end],
            self.weights[start:end],
            self.ts_ms[start:end],
            self.click_ms[start:end],
            self.late_share,
        )

    def history(self, spec: FeatureSpec) -> History:
        """What a model is trained from: with the positions at which ads were really shown."""
        shown = Encoder(spec).with_positions(self.samples, self.positions)
        return History(shown, self.labels, self.weights)


def encode_log(
    spec: FeatureSpec,
    rows: Sequence[LoggedRow],
    short_window_ms: int | None,
    progress: Callable[[int], None] = lambda rows: None,
    known: int | None = None,
) -> EncodedLog:
    """Encode rows in time order. ``short_window_ms`` None: click times are not known.

    Counters and last clicks take in the first ``known`` rows, or all.
    """
    encoder = Encoder(spec)
    counts = EventCounts(spec, rows, known)
    samples = np.zeros(len(rows), encoder.layout.dtype)
    for index, row in enumerate(rows):
        request = encoder.request(counts.user(row), row.context)
        ad = encoder.ad(row.ad_id, row.ad_attributes, counts.of_ad(row))
        for part in (request, ad):
            for name in part.dtype.names or ():
                samples[name][index] = part[name][0]
        progress(1)
    ts_ms = np.array([row.ts_ms for row in rows], np.int64)
    click_ms = np.array([row.click_ms for row in rows], np.int64)
    clicked = click_ms != NO_CLICK
    late_share = None
    if short_window_ms is not None and clicked.any():
        late_share = float(np.mean(click_ms[clicked] - ts_ms[clicked] > short_window_ms))
    return EncodedLog(
        samples=samples,
        positions=np.array([row.position for row in rows], np.int64),
        labels=np.array([row.label for row in rows], np.float32),
        weights=np.ones(len(rows), np.float32),
        ts_ms=ts_ms,
        click_ms=click_ms,
        late_share=late_share,
    )
