"""Snapshots are served without a restart; broken ones are not."""

from collections.abc import Callable

import numpy as np
import pytest

from schemas.model_package import CHUNK_BYTES, TOWER_FILE, ModelPackage, file_entries
from schemas.redis_keys import model_chunk, model_current
from schemas.redis_values import UserRow
from scorer.model import model_loader
from tests.scorer.publisher import ADS, DIM, MODEL, Publisher, ad, counter_row
from tests.scorer.running_scorer import RunningScorer, assert_parity, eventually
from tests.scorer.tiny_model import ENCODER, LAYOUT, TinyModel


def ad_row(number: int) -> int:
    """The table row of an ad's id."""
    return int(ENCODER.ad(f"ad-{number}", {})["ad_ids"][0, 0])


def test_a_new_snapshot_is_served(scorer: RunningScorer, publisher: Publisher) -> None:
    second = TinyModel("v2", seed=2)
    publisher.package(second.package)
    scorer.wait_for_model("v2")
    assert_parity(scorer.rank(limit=40), second)
    assert scorer.metric("ctr_scorer_model_info", version="v2") == 1
    assert scorer.metric("ctr_scorer_model_info", version="v1") == 0


def test_ads_that_come_after_a_swap_reach_who_still_answers_from_the_model_before(
    scorer: RunningScorer, publisher: Publisher
) -> None:
    before = scorer.process.holder.require()
    publisher.package(TinyModel("v2", seed=2).package)
    scorer.wait_for_model("v2")
    publisher.ads(ad(900))
    eventually(lambda: "ad-900" in {ranked.ad_id for ranked in scorer.rank(limit=100).ads})
    slot = scorer.process.catalogue.slot("ad-900")
    query = np.ones(DIM + 2, np.float32)
    eventually(lambda: slot in before.index.search(query, 100)[0])


def test_back_to_the_version_before(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    publisher.package(TinyModel("v2", seed=2).package)
    scorer.wait_for_model("v2")
    publisher.client.set(model_current(MODEL), "v1")
    scorer.wait_for_model("v1")
    assert_parity(scorer.rank(), model)


def cut_tower(good: ModelPackage) -> ModelPackage:
    return repacked(good, {**good.files, TOWER_FILE: good.files[TOWER_FILE][:50]})


def other_features(good: ModelPackage) -> ModelPackage:
    return TinyModel("v2", seed=2, fingerprint="0" * 16).package


def no_finite_number(good: ModelPackage) -> ModelPackage:
    arrays = TinyModel("v2", seed=2).arrays
    arrays.b1[:] = np.nan
    return repacked(good, {**good.files, **arrays.to_files()})


def wrong_shape(good: ModelPackage) -> ModelPackage:
    arrays = TinyModel("v2", seed=2).arrays
    files = {**good.files, **arrays.to_files()}
    files["table.npy"] = files["standardisation.npz"]
    return repacked(good, files)


def other_architecture(good: ModelPackage) -> ModelPackage:
    manifest = good.manifest.model_copy(update={"architecture": "lr"})
    return ModelPackage(manifest, good.files)


def repacked(good: ModelPackage, files: dict[str, bytes]) -> ModelPackage:
    """The package with other files and the checksums that belong to them."""
    manifest = good.manifest.model_copy(update={"files": file_entries(files)})
    return ModelPackage(manifest, files)


@pytest.mark.parametrize(
    "spoil", [cut_tower, other_features, no_finite_number, wrong_shape, other_architecture]
)
def test_a_package_that_cannot_be_used_is_refused(
    scorer: RunningScorer,
    publisher: Publisher,
    model: TinyModel,
    spoil: Callable[[ModelPackage], ModelPackage],
) -> None:
    publisher.package(spoil(TinyModel("v2", seed=2).package))
    eventually(lambda: scorer.metric("ctr_scorer_packages_refused_total") == 1)
    assert_parity(scorer.rank(), model)
    third = TinyModel("v3", seed=3)
    publisher.package(third.package)
    scorer.wait_for_model("v3")
    assert_parity(scorer.rank(), third)


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_damaged_chunk_is_refused(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel, damage: str
) -> None:
    package = TinyModel("v2", seed=2).package
    publisher.package(package, current=False)
    key = model_chunk(MODEL, "v2", "table.npy", 0)
    data = bytearray(package.files["table.npy"][:CHUNK_BYTES])
    data[-1] ^= 1
    if damage == "missing":
        publisher.client.delete(key)
    else:
        publisher.client.set(key, bytes(data))
    publisher.client.set(model_current(MODEL), "v2")
    eventually(lambda: scorer.metric("ctr_scorer_packages_refused_total") == 1)
    assert_parity(scorer.rank(), model)


def test_counters_and_ads_that_come_while_a_snapshot_loads_are_in_it(
    scorer: RunningScorer, publisher: Publisher
) -> None:
    """The halves of a new version are built aside; what changes meanwhile is caught up."""
    second = TinyModel("v2", seed=2)
    publisher.package(second.package)
    for step in range(30):
        publisher.counters({f"ad:ad-{step}": counter_row(100 + step, step)}, ts=10 + step)
    scorer.wait_for_model("v2")
    eventually(lambda: scorer.process.catalogue.arrays.impressions.sum() == sum(range(100, 130)))
    assert_parity(scorer.rank(limit=40), second)


@pytest.mark.parametrize("side", ["user", "ad"])
def test_8_bits_have_room_for_what_any_request_adds(
    redis_url: str, publisher: Publisher, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of nobody reads no row that moves these users far, and the first ad no other's row."""
    monkeypatch.setattr(model_loader, "_PROBE_ADS", 1)
    model = TinyModel("v1", seed=1)
    if side == "user":
        rows = LAYOUT.offsets["user"] + np.arange(1, 32)
    else:
        rows = np.setdiff1d([ad_row(number) for number in range(ADS)], ad_row(0))
    model.arrays.table[rows, 1:] *= 40
    publisher.package(model.package)
    publisher.ads(*(ad(number) for number in range(ADS)))
    with RunningScorer(redis_url) as scorer:
        scorer.wait_for_model("v1")
        served, slots = scorer.process.holder.require(), np.arange(ADS, dtype=np.int32)
        assert served.quantised is not None
        half = served.model.request_half(ENCODER.request(UserRow("u1"), {}))
        parts = scorer.process.catalogue.arrays.parts.take(slots)
        exact = served.model.tower.logits(served.model.ad_halves(parts).hidden + half.hidden)
        found = served.quantised.logits(served.store, slots, half)
        assert np.abs(found - exact).max() < 0.2 * np.ptp(exact)
