"""Ads that come, change and go for long: what they used is used again."""

import tempfile
from pathlib import Path

import pytest

from schemas.redis_values import versioned
from schemas.row_changes import RowChange
from scorer.ads import ad_arrays
from scorer.ads.ad_arrays import REUSE_SECONDS
from scorer.ads.catalogue import Catalogue
from scorer.ads.staging import stage_ads, stage_counters
from tests.scorer.catalogues import apply, change_of, new_catalogue
from tests.scorer.publisher import ad, counter_row
from tests.scorer.tiny_model import ENCODER


def test_few_ads_may_have_many_values() -> None:
    with new_catalogue() as catalogue:
        ads = [ad(n, title=f"title {n}", text=f"text {n}") for n in range(4_096)]
        assert stage_ads(catalogue, map(change_of, ads)).damaged == 0


def test_ads_without_room_take_none_from_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come again and again, with other values: more than the table has room for."""
    monkeypatch.setattr(ad_arrays, "LEAST_STRINGS", 0)
    now = 0.0
    with new_catalogue(lambda: now) as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(n)) for n in range(4_096)]))
        for turn in range(12):
            now += REUSE_SECONDS + 1
            refused = [ad(5_000 + n, budget=f"{turn}.{n}") for n in range(1_000)]
            staged = stage_ads(catalogue, map(change_of, refused))
            assert staged.damaged == len(refused)
            apply(catalogue, staged)
            changed = ad(turn, budget=f"{turn} of an ad that is there")
            staged = stage_ads(catalogue, [change_of(changed)])
            assert staged.damaged == 0
            apply(catalogue, staged)
            slot = catalogue.slot(changed.ad_id)
            assert slot is not None
            assert catalogue.attributes.of(slot) == changed.attributes


def test_what_changes_all_the_time_fills_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ads, values and counters of ads come and go as often as fills the tables, and again."""
    monkeypatch.setattr(ad_arrays, "LEAST_STRINGS", 0)
    now = [0.0]
    with new_catalogue(lambda: now[0]) as catalogue:
        for turn in range(60):
            now[0] += REUSE_SECONDS + 1
            if turn == 30:  # another feeder goes on
                folder = catalogue.arrays, Path(tempfile.gettempdir())
                catalogue = Catalogue(ENCODER, *folder, 3, lambda: now[0])
                catalogue.take_over()
            ads = [ad(200 * turn + n, budget=f"{turn}.{n % 199}", size="1") for n in range(200)]
            keys = [f"ad:{item.ad_id}" for item in ads]
            there = [RowChange(key, versioned(1, counter_row(9, 3).pack())) for key in keys]
            gone = [RowChange(key, versioned(2, b"")) for key in keys]
            for staged in (
                stage_ads(catalogue, map(change_of, ads)),
                stage_counters(catalogue, there),
                stage_counters(catalogue, gone),
            ):
                assert staged.damaged == 0
                apply(catalogue, staged)
            slots = catalogue.attributes.matching({"budget": f"{turn}.0", "size": "1"})
            assert [catalogue.arrays.ids.text(int(slot)) for slot in slots] == [
                ads[0].ad_id, ads[199].ad_id,
            ]  # fmt: skip
            assert catalogue.attributes.of(int(slots[0])) == ads[0].attributes
            catalogue.remove([item.ad_id for item in ads])


def test_values_of_ads_that_are_taken_over_are_counted_once() -> None:
    now = 0.0
    with new_catalogue(lambda: now) as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(1, budget="7.5"))]))
        for _ in range(2):
            catalogue.take_over()
        for ts, budget in ((2, "7.4"), (3, "7.3")):
            apply(catalogue, stage_ads(catalogue, [change_of(ad(1, ts=ts, budget=budget))]))
            now += REUSE_SECONDS + 1
        assert catalogue.arrays.values.number("7.5") is None
        assert catalogue.arrays.values.number("7.3") is not None
