"""The labelled stream offline: what the events job would emit, each at the time it is due."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_model.studies.delayed_stream import NO_CLICK, DelayedStream

SHORT_MS, WINDOW_MS = 100, 1000
DELAYS = st.none() | st.sampled_from([0, 99, 100, 101, 999, 1000, 1001]) | st.integers(0, 2000)


def stream(ts_ms: list[int], click_ms: list[int]) -> DelayedStream:
    return DelayedStream.of(np.array(ts_ms), np.array(click_ms), SHORT_MS, WINDOW_MS)


def test_final_labels_come_once_more_at_the_end_of_the_window() -> None:
    clicks = [50, 300, 5000, NO_CLICK]
    got = DelayedStream.of(np.zeros(4, int), np.array(clicks), SHORT_MS, WINDOW_MS, mature=True)
    final = got.kind == "MATURE"
    assert got.row[final].tolist() == [0, 1, 2, 3]
    assert got.label[final].tolist() == [1, 1, 0, 0]
    assert (got.due_ms[final] == WINDOW_MS).all()
    assert got.late_share == pytest.approx(1 / 2)
    later = got.since(300)
    assert later.kind.tolist() == ["CORRECTION", *["MATURE"] * 4]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), DELAYS), min_size=1, max_size=40))
def test_it_is_what_the_join_emits_row_by_row(rows: list[tuple[int, int | None]]) -> None:
    rows.sort(key=lambda row: row[0])
    expected = []
    for number, (ts, delay) in enumerate(rows):
        if delay is not None and delay <= SHORT_MS:
            expected.append((ts + delay, number, 1, "POSITIVE"))
            continue
        expected.append((ts + SHORT_MS, number, 0, "NEGATIVE"))
        if delay is not None and delay <= WINDOW_MS:
            expected.append((ts + delay, number, 1, "CORRECTION"))
    times = [ts for ts, _ in rows]
    clicks = [NO_CLICK if delay is None else ts + delay for ts, delay in rows]
    got = stream(times, clicks)
    columns = (got.due_ms, got.row, got.label, got.kind)
    emitted = list(zip(*(column.tolist() for column in columns), strict=True))
    assert sorted(emitted) == sorted(expected)
    assert (np.diff(got.due_ms) >= 0).all()
    order = {(row, kind): place for place, (_, row, _, kind) in enumerate(emitted)}
    for (row, kind), place in order.items():
        assert kind != "CORRECTION" or order[row, "NEGATIVE"] < place


def test_the_late_share_is_of_clicks_within_the_window() -> None:
    assert stream([0, 0, 0, 0, 0], [50, 300, 400, 5000, NO_CLICK]).late_share == pytest.approx(
        2 / 3
    )
    assert stream([0], [NO_CLICK]).late_share == 1.0


def test_labels_at_once_are_final() -> None:
    got = DelayedStream.at_once(np.array([3, 4, 9]), np.array([0.0, 1.0, 0.0]))
    assert got.due_ms.tolist() == [3, 4, 9]
    assert got.row.tolist() == [0, 1, 2]
    assert got.label.tolist() == [0, 1, 0]
    assert got.kind.tolist() == ["NEGATIVE", "POSITIVE", "NEGATIVE"]
    assert got.late_share == 0.0
