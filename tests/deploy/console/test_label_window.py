"""The bounded table of labels against the plain way: keep every label, and sort."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bootstrap.served_quality import ServedQuality
from deploy.console.label_window import (
    BINS,
    MINUTE_MS,
    MOST_CELLS,
    Cell,
    LabelWindow,
    bin_of,
    lift,
    merged,
    quality,
    reliability,
    wilson,
)
from schemas.records import TrainingSample
from tests.deploy.console.conftest import labels


def _random_labels(count: int, seed: int) -> list[TrainingSample]:
    random = np.random.default_rng(seed)
    first = labels("deepfm", "v1", 0.5, 0, count)
    made = []
    for sample, p in zip(first, random.beta(2, 8, count), strict=True):
        label = int(random.random() < p)
        weight = 1.0 if label else 4.0
        kind = "POSITIVE" if label else "NEGATIVE"
        made.append(
            replace(sample, predicted_ctr=float(p), label=label, kind=kind, sample_weight=weight)
        )
    return made


def test_sums_are_those_of_all_labels() -> None:
    samples = _random_labels(3_000, seed=1)
    late = replace(samples[0], kind="CORRECTION", label=1, sample_weight=1.0)
    window = LabelWindow(minutes=5)
    window.add([*samples, late])
    plain = ServedQuality()
    for sample in [*samples, late]:
        plain.add(sample)
    cell = merged(window.total().values())
    assert cell.quality.metrics() == pytest.approx(plain.metrics())
    shown = quality(cell)
    assert all(shown[name] == pytest.approx(plain.metrics()[name]) for name in ("log_loss", "pcoc"))


def test_calibration_is_of_the_top_position_and_clicks_are_of_all() -> None:
    samples = _random_labels(500, seed=4)
    below = [replace(sample, position=2, label=0, kind="NEGATIVE") for sample in samples]
    top, both = Cell(), Cell()
    for cell, some in ((top, samples), (both, [*samples, *below])):
        for sample in some:
            cell.add(sample)
    assert quality(both)["pcoc"] == quality(top)["pcoc"]
    assert np.array_equal(both.bins, top.bins)
    assert both.quality.rows > top.quality.rows == top.top.rows


def test_deciles_are_those_of_sorted_labels() -> None:
    samples = _random_labels(4_000, seed=2)
    window = LabelWindow(minutes=5)
    window.add(samples)
    groups = reliability(merged(window.total().values()))
    assert len(groups) == 10
    rows = sum(sample.sample_weight for sample in samples)
    assert sum(group["rows"] for group in groups) == pytest.approx(rows)
    assert sum(group["clicks"] for group in groups) == sum(sample.label for sample in samples)
    predicted = [group["predicted"] for group in groups]
    assert predicted == sorted(predicted)
    assert all(0.5 < group["rows"] / (rows / 10) < 1.6 for group in groups)
    ordered = sorted(samples, key=lambda sample: bin_of(sample.predicted_ctr))
    lowest: list[TrainingSample] = []
    while sum(sample.sample_weight for sample in lowest) < groups[0]["rows"]:
        lowest.append(ordered.pop(0))
    weights = [sample.sample_weight for sample in lowest]
    mean = np.average([sample.predicted_ctr for sample in lowest], weights=weights)
    assert groups[0]["predicted"] == pytest.approx(mean)
    assert groups[0]["clicks"] == sum(sample.label for sample in lowest)


def test_calibrated_labels_lie_within_their_intervals() -> None:
    """Nine of ten groups, as the intervals are of 95 %; the seed is fixed."""
    window = LabelWindow(minutes=5)
    window.add([replace(s, sample_weight=1.0) for s in _random_labels(20_000, seed=3)])
    groups = reliability(merged(window.total().values()))
    inside = [group["low"] <= group["predicted"] <= group["high"] for group in groups]
    assert sum(inside) >= 9


def test_old_minutes_are_forgotten() -> None:
    window = LabelWindow(minutes=2)
    (sample,) = labels("a", "v1", 0.1, 0, 1)
    window.add([replace(sample, label_ts=minute * MINUTE_MS) for minute in range(10)])
    assert merged(window.total().values()).quality.rows == 2


def test_it_stays_small_whatever_arrives() -> None:
    window = LabelWindow(minutes=2)
    (sample,) = labels("a", "v1", 0.1, 0, 1)
    window.add([replace(sample, variant=f"arm-{number}") for number in range(MOST_CELLS + 9)])
    assert (len(window.total()), window.refused) == (MOST_CELLS, 9)


def test_bins_cover_all_probabilities() -> None:
    places = [bin_of(p) for p in (0.0, 1e-9, 1e-5, 0.01, 0.5, 0.99, 1.0)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, BINS - 1)


def test_wilson_is_the_published_interval() -> None:
    # Newcombe (1998), table I: 81 of 263.
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0.0, 0.0) == (0.0, 1.0)


def test_lift_is_the_published_interval() -> None:
    def cell(clicks: int, rows: int) -> Cell:
        window = LabelWindow(minutes=5)
        window.add(labels("a", "v1", 0.5, clicks, rows))
        return merged(window.total().values())

    # Katz et al.: ln(RR) ± 1.96 · sqrt(1/a − 1/n + 1/b − 1/m), here of 60/200 and 40/200.
    found = lift(cell(60, 200), cell(40, 200))
    assert found is not None
    half = 1.959964 * math.sqrt(1 / 60 - 1 / 200 + 1 / 40 - 1 / 200)
    assert found["lift"] == pytest.approx(0.5)
    assert found["low"] == pytest.approx(1.5 * math.exp(-half) - 1)
    assert found["high"] == pytest.approx(1.5 * math.exp(half) - 1)
    assert lift(cell(0, 9), cell(1, 9)) is None


def test_nothing_yet() -> None:
    assert reliability(merged([])) == []
    assert quality(merged([]))["pcoc"] is None
