"""Batches of samples: what is left out is counted, and bytes give the same batch back."""

from typing import Any

import numpy as np

from schemas.layout import Layout
from streaming.learning.sample_batch import OUTCOMES, SampleBatch
from tests.streaming.learning.sample_factory import batch_of

POSITIVE, NEGATIVE, CORRECTION, MATURE = range(4)
UNDECODABLE, OTHER_FEATURES = 4, 5


def batch(layout: Layout, **changes: Any) -> SampleBatch:
    size = layout.dtype.itemsize
    columns: dict[str, Any] = {
        "outcomes": [POSITIVE, NEGATIVE, OTHER_FEATURES, CORRECTION, UNDECODABLE, MATURE],
        "inputs": [bytes([n]) * size for n in range(6)],
        "labels": [1, 0, 1, 1, 0, 1],
        "weights": [1.0, 10.0, 1.0, 1.0, 0.0, 2.0],
        "positions": [1, 2, 3, 4, 0, 6],
        "click_ts": [100, 0, 300, 400, 0, 600],
        "watermark_ms": 700,
    }
    return batch_of(layout, **{**columns, **changes})


def test_refused_samples_are_left_out_and_counted(layout: Layout) -> None:
    made = batch(layout)
    assert made.counts() == {"POSITIVE": 1, "NEGATIVE": 1, "CORRECTION": 1, "MATURE": 1}
    assert made.refused() == {"undecodable": 1, "other-features": 1}
    assert made.kinds() == ["POSITIVE", "NEGATIVE", "CORRECTION", "MATURE"]
    assert made.inputs[:, 0].tolist() == [0, 1, 3, 5]
    assert made.weights.tolist() == [1, 10, 1, 2]
    assert made.positions.tolist() == [1, 2, 4, 6]
    assert len(made.samples(layout)) == 4


def test_a_click_is_told_once_and_by_usable_samples_only(layout: Layout) -> None:
    assert batch(layout).click_ts.tolist() == [100, 400]


def test_inputs_of_a_wrong_size_are_refused(layout: Layout) -> None:
    size = layout.dtype.itemsize
    inputs = [b"", b"\1" * (size - 1), b"\2" * size, b"\3" * size, b"", b"\5" * size]
    made = batch(layout, inputs=inputs)
    assert made.counts() == {"CORRECTION": 1, "MATURE": 1}
    assert made.refused() == {"undecodable": 1, "other-features": 1, "wrong-size": 2}
    assert made.labels.tolist() == [1, 1]


def test_a_batch_may_hold_nothing_usable(layout: Layout) -> None:
    made = batch(layout, outcomes=[UNDECODABLE] * 6)
    assert made.counts() == {}
    assert made.samples(layout).shape == (0,)


def test_bytes_give_the_same_batch_back(layout: Layout) -> None:
    made = batch(layout)
    again = SampleBatch.from_bytes(made.to_bytes())
    for name in ("outcomes", "inputs", "labels", "weights", "positions", "click_ts"):
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name), strict=True)
    assert again.watermark_ms == 700


def test_codes_are_those_of_read_samples_sql_and_balanced_labels_java() -> None:
    assert OUTCOMES == (
        "POSITIVE", "NEGATIVE", "CORRECTION", "MATURE", "undecodable", "other-features",
        "wrong-size",
    )  # fmt: skip
