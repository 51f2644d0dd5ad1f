"""The catalogue against a plain dictionary, over random changes in any order."""

import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Ad
from schemas.redis_values import CounterRow, versioned
from schemas.row_changes import RowChange
from scorer.ads.ad_arrays import ATTRIBUTE_NAMES, NEWEST_ADS, REUSE_SECONDS, AdArrays
from scorer.ads.attribute_index import AttributeIndex
from scorer.ads.catalogue import AdEntry, Catalogue
from scorer.ads.eligibility import eligible_ads
from scorer.ads.staging import stage_ads, stage_counters
from tests.scorer.catalogues import apply, change_of, new_catalogue
from tests.scorer.publisher import ad, counter_row
from tests.scorer.tiny_model import ENCODER, SPEC


@dataclass
class Plain:
    """The obvious catalogue: newest ads and counters by name."""

    ads: dict[str, Ad] = field(default_factory=dict)
    counters: dict[str, tuple[int, CounterRow]] = field(default_factory=dict)

    def ad_changed(self, ad_id: str, version: int, new: Ad | None) -> None:
        if ad_id not in self.ads or self.ads[ad_id].ts <= version:
            self.ads.pop(ad_id, None)
            if new is not None:
                self.ads[ad_id] = new

    def counter_changed(self, key: str, version: int, row: CounterRow | None) -> None:
        if key not in self.counters or self.counters[key][0] <= version:
            self.counters.pop(key, None)
            if row is not None:
                self.counters[key] = (version, row)

    def part(self, ad: Ad) -> bytes:
        values = {"ad": {**ad.attributes, "ad_id": ad.ad_id}}
        keys = {name: SPEC.counter_key(name, values) for name in ("ad", "advertiser")}
        rows = {name: self.counters[k][1] for name, k in keys.items() if k in self.counters}
        return ENCODER.ad(ad.ad_id, ad.attributes, rows).tobytes()

    def matching(self, blocked: set[str], required: Mapping[str, str]) -> set[str]:
        return {
            name
            for name, ad in self.ads.items()
            if ad.status == "ACTIVE"
            and name not in blocked
            and all(ad.attributes.get(key) == value for key, value in required.items())
        }


NUMBERS = st.integers(0, 7)
VERSIONS = st.integers(1, 9)
AD_CHANGES = st.tuples(
    st.just("ad"),
    NUMBERS,
    VERSIONS,
    st.sampled_from(["ACTIVE", "PAUSED", "DELETED"]),
    st.integers(0, 3),
)
COUNTER_CHANGES = st.tuples(
    st.just("counter"),
    st.sampled_from([f"ad:ad-{n}" for n in range(8)] + [f"advertiser:v{n}" for n in range(5)]),
    VERSIONS,
    st.integers(0, 30),
    st.just(0),
)
BATCHES = st.lists(
    st.lists(st.one_of(AD_CHANGES, COUNTER_CHANGES), min_size=1, max_size=6), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(batches=BATCHES, sort_every=st.integers(1, 4))
def test_any_changes(
    batches: list[list[tuple[str, int | str, int, int | str, int]]], sort_every: int
) -> None:
    now = 0.0
    with new_catalogue(lambda: now) as catalogue:
        plain = Plain()
        for step, batch in enumerate(batches):
            now += 20.0
            ads, counters = changes_of(batch, plain)
            apply(catalogue, stage_ads(catalogue, ads))
            apply(catalogue, stage_counters(catalogue, counters))
            if step % sort_every == 0:
                catalogue.sort()
            assert_same(catalogue, plain)


def changes_of(
    batch: list[tuple[str, int | str, int, int | str, int]], plain: Plain
) -> tuple[list[RowChange], list[RowChange]]:
    """Changes of ads and of counters, which the plain catalogue takes at once."""
    ads, counters = [], []
    for kind, name, version, what, variation in batch:
        if kind == "counter":
            row = counter_row(int(what), int(what) // 2) if what else None
            body = b"" if row is None else row.pack()
            counters.append(RowChange(str(name), versioned(version, body)))
            plain.counter_changed(str(name), version, row)
            continue
        new = ad(int(name), version, str(what), price=version, advertiser=f"v{variation}")
        if what == "DELETED":
            ads.append(RowChange(new.ad_id, versioned(version, b"")))
            plain.ad_changed(new.ad_id, version, None)
        else:
            ads.append(change_of(new))
            plain.ad_changed(new.ad_id, version, new)
    return ads, counters


def assert_same(catalogue: Catalogue, plain: Plain) -> None:
    arrays = catalogue.arrays
    known = {arrays.ids.text(slot) for slot in catalogue.slots_in_use().tolist()}
    assert known == set(plain.ads)
    for name, expected in plain.ads.items():
        slot = catalogue.slot(name)
        assert slot is not None
        assert arrays.parts[slot].tobytes() == plain.part(expected)
        assert arrays.active[slot] == (expected.status == "ACTIVE")
        assert arrays.prices[slot] == expected.price
        counted = plain.counters.get(f"ad:{name}", (0, counter_row(0, 0)))[1]
        assert (arrays.impressions[slot], arrays.clicks[slot]) == (
            counted.impressions[2],
            counted.clicks[2],
        )
        for row in arrays.parts[slot]["ad_ids"].tolist():
            few, many = catalogue.row_owners.of(np.array([row], np.int32))
            assert slot in {*few.tolist(), *many.tolist()}
        assert catalogue.entry(slot) == AdEntry(
            name, expected.ts, expected.status == "ACTIVE", expected.price, expected.attributes
        )
    for blocked in (set(), {"ad-1", "ad-2", "nobody"}):
        for required in ({}, {"advertiser": "v1"}, {"advertiser": "v1", "category": "c1"}):
            eligible = eligible_ads(catalogue, blocked, required)
            names = {arrays.ids.text(slot) for slot in eligible.listed.tolist()}
            assert names == plain.matching(blocked, required)
            assert eligible.count == len(names)


def test_who_owns_a_row_is_told_without_copying_all_slots() -> None:
    """Row deltas ask each second, and there is room for far more ads than there are."""
    with new_catalogue() as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(1))]))
        row = catalogue.arrays.parts["ad_ids"][catalogue.slot("ad-1"), :1].copy()
        tracemalloc.start()
        try:
            few, _ = catalogue.row_owners.of(row)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert few.tolist() == [catalogue.slot("ad-1")]
        assert peak < catalogue.arrays.parts["ad_ids"].nbytes


def test_a_slot_is_used_again_only_after_a_while() -> None:
    """A request in flight must not find another ad under the slot it was told."""
    now = 0.0
    with new_catalogue(lambda: now) as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(1))]))
        slot = catalogue.slot("ad-1")
        apply(catalogue, stage_ads(catalogue, [RowChange("ad-1", versioned(2, b""))]))
        apply(catalogue, stage_ads(catalogue, [change_of(ad(2))]))
        assert catalogue.slot("ad-2") != slot
        now = REUSE_SECONDS
        apply(catalogue, stage_ads(catalogue, [change_of(ad(3))]))
        assert catalogue.slot("ad-3") == slot


def test_an_ad_that_comes_while_others_are_sorted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_catalogue() as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(1))]))
        unsorted = vars(AttributeIndex)["unsorted"].fget
        late = iter([change_of(ad(2))])

        def unsorted_after_another(index: AttributeIndex) -> int:
            apply(catalogue, stage_ads(catalogue, late))
            return int(unsorted(index))

        with monkeypatch.context() as patch:
            patch.setattr(AttributeIndex, "unsorted", property(unsorted_after_another))
            catalogue.sort()
        slot = catalogue.slot("ad-2")
        assert slot in eligible_ads(catalogue, (), ad(2).attributes).listed


def test_counters_alone_leave_nothing_to_sort() -> None:
    with new_catalogue() as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(1))]))
        catalogue.sort()
        row = versioned(1, counter_row(5, 1).pack())
        apply(catalogue, stage_counters(catalogue, [RowChange("ad:ad-1", row)]))
        assert not catalogue.row_owners._recent


def test_ads_that_came_last_are_neither_those_that_changed_nor_those_of_the_load() -> None:
    with new_catalogue() as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(n)) for n in range(3)]))
        catalogue.set_loaded()
        assert not len(catalogue.newest.last(2))
        apply(catalogue, stage_ads(catalogue, [change_of(ad(n)) for n in (7, 8, 9)]))
        catalogue.sort()
        apply(catalogue, stage_ads(catalogue, [change_of(ad(1, ts=2, price=7))]))
        found = catalogue.newest.last(2).tolist()
        assert found == [catalogue.slot("ad-8"), catalogue.slot("ad-9")]
        catalogue.newest.add(np.arange(2 * NEWEST_ADS, dtype=np.int32))
        found = catalogue.newest.last(2 * NEWEST_ADS).tolist()
        assert found == list(range(NEWEST_ADS, 2 * NEWEST_ADS))


def test_there_is_room_for_so_many() -> None:
    with new_catalogue() as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(n)) for n in range(4_096)]))
        assert catalogue.active_ads == 4_096
        slot = catalogue.slot("ad-2499")
        assert slot is not None
        expected = ENCODER.ad("ad-2499", ad(2499).attributes)
        assert catalogue.arrays.parts[slot].tobytes() == expected.tobytes()
        # One too many is told and left out; what came with it is taken.
        staged = stage_ads(catalogue, [change_of(ad(5_000)), change_of(ad(7, ts=9, price=77))])
        apply(catalogue, staged)
        assert staged.damaged == 1
        assert catalogue.slot("ad-5000") is None
        changed = catalogue.slot("ad-7")
        assert changed is not None
        assert catalogue.arrays.prices[changed] == 77
        again = AdArrays.attach(catalogue.attributes._folder / "ads")
        assert again.ids.number("ad-2499") == slot
        assert again.parts[slot].tobytes() == expected.tobytes()


def test_a_name_of_an_attribute_too_many_leaves_out_its_ad() -> None:
    with new_catalogue() as catalogue:
        names = {f"name-{n}": "v" for n in range(ATTRIBUTE_NAMES + 1)}
        garbage = replace(ad(1), attributes=names)
        staged = stage_ads(catalogue, [change_of(garbage), change_of(ad(2))])
        apply(catalogue, staged)
        assert staged.damaged == 1
        assert catalogue.slot("ad-2") is not None
        assert not (catalogue.arrays.sequences & 1).any()
