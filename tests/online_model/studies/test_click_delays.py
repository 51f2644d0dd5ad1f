"""Drawn click times: within the window, by features, the same for the same seed."""

import numpy as np

from online_model.studies.click_delays import DelayLaw
from online_model.studies.delayed_stream import NO_CLICK

ROWS = 20_000
LAW = DelayLaw()


def test_clicks_come_early_late_and_very_late() -> None:
    random = np.random.default_rng(0)
    ids = np.column_stack([random.integers(start, start + 9, ROWS) for start in (0, 9, 18, 27, 36)])
    labels = (random.random(ROWS) < 0.5).astype(np.float32)
    ts_ms = np.arange(ROWS, dtype=np.int64) * 1000
    click_ms = LAW.clicks(ids, ts_ms, labels, seed=1)
    assert np.array_equal(click_ms == NO_CLICK, labels == 0)
    delay = (click_ms - ts_ms)[labels == 1]
    assert delay.min() >= 0
    assert delay.max() <= LAW.window_ms
    assert 0.2 < np.mean(delay <= LAW.short_ms) < 0.7
    assert np.mean(delay > LAW.window_ms / 7) > 0.1
    early = (click_ms - ts_ms <= LAW.short_ms)[labels == 1]
    clicked = ids[labels == 1]
    by_value = [early[(clicked == value).any(axis=1)].mean() for value in np.unique(ids)]
    assert np.ptp(by_value) > 0.2, "who clicks early follows from the features"
    assert np.array_equal(click_ms, LAW.clicks(ids, ts_ms, labels, seed=1))
    assert not np.array_equal(click_ms, LAW.clicks(ids, ts_ms, labels, seed=2))
