"""The catalogue against a plain dictionary, over random changes in any order."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Ad
from schemas.redis_values import CounterRow, versioned
from schemas.row_changes import RowChange
from scorer.catalogue import SLOT_REUSE_SECONDS, Catalogue
from scorer.eligibility import eligible_ads
from scorer.staging import Staged, stage_ads, stage_counters
from tests.scorer.publisher import ad, counter_row
from tests.scorer.tiny_model import ENCODER, SPEC


def apply(catalogue: Catalogue, staged: Staged) -> None:
    """As the feeder does, without a model."""
    for piece in staged.update.slices():
        catalogue.commit(piece, None, None)
    catalogue.remove(staged.removed)


def change_of(ad: Ad) -> RowChange:
    return RowChange(ad.ad_id, versioned(ad.ts, ad.encode()))


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
@given(batches=BATCHES)
def test_any_changes(batches: list[list[tuple[str, int | str, int, int | str, int]]]) -> None:
    now = 0.0
    catalogue, plain = Catalogue(ENCODER, 3, clock=lambda: now), Plain()
    for batch in batches:
        now += 20.0
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
        apply(catalogue, stage_ads(catalogue, ads))
        apply(catalogue, stage_counters(catalogue, counters))
        assert_same(catalogue, plain)


def assert_same(catalogue: Catalogue, plain: Plain) -> None:
    arrays = catalogue.arrays
    assert set(catalogue.ad_ids()) == set(plain.ads)
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
            few, many = catalogue.row_owners.of([row])
            assert slot in {*few.tolist(), *many.tolist()}
    for blocked in (set(), {"ad-1", "ad-2", "nobody"}):
        for required in ({}, {"advertiser": "v1"}, {"advertiser": "v1", "category": "c1"}):
            eligible = eligible_ads(catalogue, blocked, required)
            found = [catalogue.entries[slot] for slot in eligible.mask.nonzero()[0]]
            names = {entry.ad_id for entry in found if entry is not None}
            assert names == plain.matching(blocked, required)
            assert eligible.count == len(names)


def test_a_slot_is_used_again_only_after_a_while() -> None:
    """A request in flight must not find another ad under the slot it was told."""
    now = 0.0
    catalogue = Catalogue(ENCODER, 3, clock=lambda: now)
    apply(catalogue, stage_ads(catalogue, [change_of(ad(1))]))
    slot = catalogue.slot("ad-1")
    apply(catalogue, stage_ads(catalogue, [RowChange("ad-1", versioned(2, b""))]))
    apply(catalogue, stage_ads(catalogue, [change_of(ad(2))]))
    assert catalogue.slot("ad-2") != slot
    now = SLOT_REUSE_SECONDS
    apply(catalogue, stage_ads(catalogue, [change_of(ad(3))]))
    assert catalogue.slot("ad-3") == slot


def test_memory_grows_with_the_ads() -> None:
    catalogue = Catalogue(ENCODER, 3)
    apply(catalogue, stage_ads(catalogue, [change_of(ad(n)) for n in range(2_500)]))
    assert catalogue.active_ads == 2_500
    assert catalogue.arrays.capacity == 4_096
    slot = catalogue.slot("ad-2499")
    assert slot is not None
    expected = ENCODER.ad("ad-2499", ad(2499).attributes)
    assert catalogue.arrays.parts[slot].tobytes() == expected.tobytes()
