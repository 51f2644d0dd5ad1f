"""A page of ads at once: each build reads what the codec reads, and the catalogue is the same."""

from pathlib import Path

import numpy as np
import pytest

from schemas import avro_codec
from schemas.records import Ad
from schemas.redis_values import versioned
from schemas.row_changes import RowChange
from scorer.ads import bulk_load
from scorer.ads.ad_arrays import AdArrays
from scorer.ads.catalogue import Catalogue
from scorer.ads.staging import stage_ads, stage_counters
from scorer.kernels import Kernels
from tests.scorer.publisher import counter_row
from tests.scorer.tiny_model import ENCODER, LAYOUT

HEADER = avro_codec.header("Ad")


def change(number: int, **attributes: str) -> RowChange:
    status = "PAUSED" if number % 5 == 0 else "ACTIVE"
    record = Ad(f"ad-ü{number}", 7 + number, status, 100 * number, attributes)
    return RowChange(record.ad_id, versioned(record.ts, record.encode()))


def changes() -> list[RowChange]:
    found = [
        change(n, category=f"c{n % 3}", advertiser=f"v{n % 7}", size=str(n % 4)) for n in range(90)
    ]
    found += [change(90), change(91, size=""), change(92, category="c1", colour="ü" * 9_000)]
    whole = change(93, category="c1")
    blocks = Ad("ad-ü94", 3, "ACTIVE", 5, {"size": "2"}).encode()
    # As some producers write it: a block with its size in bytes.
    sized = blocks[: -len(b"\x02\x08size\x022\x00")] + b"\x01\x0e\x08size\x022\x00"
    return [
        *found,
        RowChange("ad-ü94", versioned(3, sized)),
        RowChange("deleted", versioned(5, b"")),
        RowChange("another key", whole.value),
        RowChange("short", b"123"),
        RowChange(change(95).key, change(95).value[:-1]),
        RowChange("old", versioned(1, b"\xc3\x01" + b"12345678" + whole.value[18:])),
    ]


def test_ads_are_read_as_by_the_codec(kernels: Kernels) -> None:
    page = changes()
    keys, values = [c.key.encode() for c in page], [c.value for c in page]
    found = kernels.parse_ads(keys, values, HEADER)
    assert found.read.tolist() == [True] * (len(page) - 5) + [False] * 5
    texts = [text.decode() for text in found.texts]
    assert len(set(texts)) == len(texts)
    for i in np.flatnonzero(found.read).tolist():
        ad = Ad.decode(values[i][8:])
        items = found.items[found.items[:, 0] == i, 1:].tolist()
        assert {texts[name]: texts[value] for name, value in items} == dict(ad.attributes)
        assert (found.active[i], found.prices[i]) == (ad.status == "ACTIVE", ad.price)
        assert found.versions[i] == int.from_bytes(values[i][:8], "big")


@pytest.mark.parametrize("room", [1_000, 50])
def test_the_catalogue_is_that_of_ads_one_by_one(
    tmp_path: Path, kernels: Kernels, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Also where there is too little room for all of them."""
    monkeypatch.setattr(bulk_load, "best_kernels", lambda: kernels)
    counters = [
        RowChange(key, versioned(1, counter_row(900, clicks).pack()))
        for key, clicks in {"ad:ad-ü3": 90, "ad:ad-ü4": 9, "advertiser:v2": 40}.items()
    ]
    made = []
    for name in ("one by one", "at once"):
        folder = tmp_path / name
        folder.mkdir()
        catalogue = Catalogue(ENCODER, AdArrays.create(folder / "ads", LAYOUT, room), folder, 1_000)
        catalogue.commit(stage_counters(catalogue, counters).update)
        page = changes()
        left = bulk_load.load_page(catalogue, page) if name == "at once" else page
        staged = stage_ads(catalogue, left, reload=True)
        catalogue.commit(staged.update)
        catalogue.sort()
        made.append((catalogue, staged.damaged))
    (plain, damaged), (loaded, damaged_too) = made
    assert damaged == damaged_too
    assert plain.active_ads == loaded.active_ads > 0
    for slot in range(plain.slot_count):
        entry = plain.entry(slot)
        assert entry is not None
        other = loaded.slot(entry.ad_id)
        assert other is not None
        assert loaded.entry(other) == entry
        assert loaded.arrays.parts[other] == plain.arrays.parts[slot]
        assert loaded.arrays.impressions[other] == plain.arrays.impressions[slot]
        assert loaded.attributes.of(other) == plain.attributes.of(slot)
    for required in ({"category": "c1"}, {"size": "2", "advertiser": "v2"}):
        found = [set(c.attributes.matching(required).tolist()) for c in (plain, loaded)]
        assert len(found[0]) == len(found[1]) > 0
    by_counter = [dict(c.counters.slots(["advertiser:v2"])) for c in (plain, loaded)]
    assert len(by_counter[0]["advertiser:v2"]) == len(by_counter[1]["advertiser:v2"]) > 0
