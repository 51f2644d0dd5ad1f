"""Sums and bins against the plain computation over all rows."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.records import TrainingSample
from streaming.monitor.served_quality import ALL, MOST_VALUES, OTHER, ServedQuality

LAYOUT = Layout.of(FeatureSpec.load("world"))
MINUTE_MS = 60_000


def sample(number: int, p: float, label: int, ts: int = 0, **other: object) -> TrainingSample:
    made = TrainingSample(
        kind="POSITIVE" if label else "NEGATIVE",
        request_id=f"r{number}",
        ad_id="a",
        user_id="u",
        ts=ts,
        position=1,
        price=1,
        variant="deepfm",
        model_version="v",
        predicted_ctr=p,
        propensity=1.0,
        feature_fingerprint="f",
        inputs=bytes(LAYOUT.dtype.itemsize),
        label=label,
        label_ts=ts,
        click_ts=ts if label else None,
        sample_weight=1.0,
    )
    return replace(made, **other)  # type: ignore[arg-type]


def test_it_agrees_with_the_plain_computation() -> None:
    random = np.random.default_rng(1)
    p = random.uniform(0.01, 0.6, 5_000)
    labels = (random.random(len(p)) < p).astype(int)
    quality = ServedQuality(LAYOUT, 15 * MINUTE_MS)
    for number, (probability, label) in enumerate(zip(p, labels, strict=True)):
        quality.add(sample(number, float(probability), int(label)))
    pcoc, clicks = quality.pcoc()[ALL]
    assert clicks == labels.sum()
    assert pcoc == pytest.approx(p.sum() / labels.sum())
    assert quality.log_loss() == pytest.approx(log_loss(labels, p))
    assert quality.auc() == pytest.approx(roc_auc_score(labels, p), abs=0.005)


def test_a_correction_undoes_its_negative() -> None:
    corrected, positive = (ServedQuality(LAYOUT, 15 * MINUTE_MS) for _ in range(2))
    corrected.add(sample(1, 0.2, 0))
    corrected.add(sample(1, 0.2, 1, kind="CORRECTION"))
    positive.add(sample(1, 0.2, 1))
    assert corrected.pcoc() == positive.pcoc()
    assert corrected.log_loss() == pytest.approx(positive.log_loss())


def test_a_claim_at_the_top_is_judged_at_the_top() -> None:
    quality = ServedQuality(LAYOUT, 15 * MINUTE_MS)
    quality.add(sample(1, 0.5, 1))
    quality.add(sample(2, 0.5, 0, position=2))
    assert quality.pcoc()[ALL] == (0.5, 1.0)


def test_values_and_memory_are_bounded_and_time_passes() -> None:
    quality = ServedQuality(LAYOUT, 15 * MINUTE_MS)
    for number in range(100):
        quality.add(sample(number, 0.5, 1, ts=number * MINUTE_MS, variant=f"arm-{number}"))
    arms = {value for dimension, value in quality.pcoc() if dimension == "arm"}
    assert arms == {OTHER}  # the first 16 arms have left the window
    assert len(quality._keys) <= MOST_VALUES * 10
    quality.advance(200 * MINUTE_MS)
    assert quality.pcoc() == {}
