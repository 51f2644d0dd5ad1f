"""Rows of ads are read as they were at one moment, by each build of the kernels."""

from pathlib import Path

import numpy as np
import pytest

from scorer.ads import ad_arrays
from scorer.ads.ad_arrays import AdArrays
from scorer.kernels import Kernels
from tests.scorer.tiny_model import ENCODER

SLOTS = np.array([7, 2, 9], np.int32)


@pytest.fixture
def arrays(tmp_path: Path, kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> AdArrays:
    """Ads that cost ten times their slots, with two attributes."""
    monkeypatch.setattr(ad_arrays, "best_kernels", lambda: kernels)
    made = AdArrays.create(tmp_path / "ads", ENCODER.layout, 16)
    for name in ("size", "colour"):
        made.names.add(name)
    made.active[::2] = True
    made.prices[:] = 10 * np.arange(16)
    made.parts["ad_ids"][:] = np.arange(16)[:, None]
    made.attributes[0], made.attributes[1] = np.arange(16), 100 + np.arange(16)
    return made


def test_rows_are_those_of_the_slots(arrays: AdArrays) -> None:
    rows = arrays.read(SLOTS)
    assert rows.active.tolist() == [False, True, False]
    assert rows.prices.tolist() == [70, 20, 90]
    assert rows.parts["ad_ids"][:, 0].tolist() == SLOTS.tolist()
    assert rows.attributes.tolist() == [[7, 107], [2, 102], [9, 109]]


def test_an_ad_that_is_written_is_read_again(
    arrays: AdArrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays.begin(SLOTS[1:2])
    arrays.prices[2] = 5

    def written(_: float) -> None:
        arrays.prices[2] = 55
        arrays.end(SLOTS[1:2])

    monkeypatch.setattr(ad_arrays, "sleep", written)
    assert arrays.read(SLOTS).prices.tolist() == [70, 55, 90]


def test_an_ad_whose_writer_has_died_is_read_as_far_as_that_came(
    arrays: AdArrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ad_arrays, "sleep", lambda _: None)
    arrays.begin(SLOTS[1:2])
    arrays.prices[2] = 5
    assert arrays.read(SLOTS).prices.tolist() == [70, 5, 90]
