"""Row deltas reach the served probability without a restart; after a gap nothing is missing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.redis_keys import model_current, model_deltas, model_rows
from scorer.model import half_refresher
from tests.scorer.publisher import DIM, MODEL, Publisher, row_delta, wall_ms
from tests.scorer.running_scorer import RunningScorer, eventually, served
from tests.scorer.tiny_model import ENCODER, LAYOUT, TinyModel

FRESH = "ctr_click_to_score_seconds"


def ad_row(ad_id: str) -> int:
    """The table row of an ad's id."""
    return int(ENCODER.ad(ad_id, {})["ad_ids"][0, 0])


def row_of(model: TinyModel, row: int, step: float) -> list[float]:
    return [float(value) + step for value in model.arrays.table[row]]


def changed(rows: dict[int, list[float]]) -> dict[int, NDArray[np.float32]]:
    return {row: np.array(values, np.float32) for row, values in rows.items()}


def begin_epoch(scorer: RunningScorer, publisher: Publisher) -> None:
    """The first delta of a learner's run, and the scorer has seen it."""
    publisher.delta(row_delta("v1", 0, {}))
    eventually(lambda: scorer.process.holder.require().position.sequence == 0)


def assert_serves(
    scorer: RunningScorer, model: TinyModel, rows: dict[int, list[float]], *ad_ids: str
) -> None:
    response = scorer.score(*ad_ids)
    for scored in response.ads:
        expected = model.ctr(served(scored).inputs, changed(rows))
        assert scored.ctr == pytest.approx(expected, rel=1e-3)


def assert_renewed(scorer: RunningScorer, *ad_ids: str) -> None:
    """What retrieval searches is of the rows that are in the table now."""
    served_model, catalogue = scorer.process.holder.require(), scorer.process.catalogue
    slots = np.array([catalogue.slot(ad_id) for ad_id in ad_ids], np.int32)
    halves = served_model.model.ad_halves(catalogue.arrays.parts.take(slots))
    assert served_model.store.vectors[slots, :DIM] == pytest.approx(halves.fm_sums)


def test_the_learners_shift_is_served(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    """At once as deltas bring it, and after a resync, which finds it in the newest one."""

    def odds() -> float:
        ctr = scorer.score("ad-1").ads[0].ctr
        return ctr / (1 - ctr)

    before = odds()
    begin_epoch(scorer, publisher)
    publisher.delta(replace(row_delta("v1", 1, {}), shift=-0.5))
    eventually(lambda: odds() == pytest.approx(before * np.exp(-0.5), rel=1e-4))
    publisher.delta(replace(row_delta("v1", 7, {}), shift=0.25))
    eventually(lambda: scorer.metric("ctr_scorer_delta_resyncs_total", reason="gap") == 1)
    eventually(lambda: odds() == pytest.approx(before * np.exp(0.25), rel=1e-4))


def test_a_damaged_delta_takes_no_shift_away(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    begin_epoch(scorer, publisher)
    publisher.delta(replace(row_delta("v1", 1, {}), shift=-0.5))
    eventually(lambda: scorer.process.holder.require().position.sequence == 1)
    before = scorer.score("ad-1").ads[0].ctr
    publisher.entry("v1", {**row_delta("v1", 2, {}).to_fields(), b"digest": bytes(16)})
    eventually(lambda: scorer.process.holder.require().position.epoch == "")
    assert scorer.score("ad-1").ads[0].ctr == pytest.approx(before, rel=1e-6)


def test_deltas_change_scores(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    """A row of one ad, a row of many, and one of the request; the click's time is observed."""
    ad, user = ad_row("ad-1"), int(ENCODER.layout.offsets["user"])
    category = int(ENCODER.ad("x", {"category": "c1"})["ad_ids"][0, 1])
    rows = {row: row_of(model, row, 0.5) for row in (ad, user, category)}
    before = {ad.ad_id: ad.ctr for ad in scorer.score("ad-1", "ad-2", "ad-4").ads}
    begin_epoch(scorer, publisher)
    publisher.delta(row_delta("v1", 1, {ad: rows[ad]}))
    publisher.delta(row_delta("v1", 2, {}))
    publisher.delta(row_delta("v1", 3, rows, click_ts=[wall_ms(), wall_ms()]))
    eventually(lambda: scorer.metric(f"{FRESH}_count") == 2)
    assert 0 < scorer.metric(f"{FRESH}_sum") < 20
    assert_serves(scorer, model, rows, "ad-1", "ad-2", "ad-4")
    after = {ad.ad_id: ad.ctr for ad in scorer.score("ad-1", "ad-2", "ad-4").ads}
    assert after["ad-1"] != before["ad-1"]
    assert after["ad-2"] == before["ad-2"]
    assert after["ad-4"] != before["ad-4"]
    assert scorer.metric("ctr_scorer_rows_applied_total") == 4


def test_rows_of_many_ads_are_renewed_in_the_background(
    redis_url: str, scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    category = int(ENCODER.ad("x", {"category": "c1"})["ad_ids"][0, 1])
    rows = {category: row_of(model, category, 1.0), ad_row("ad-1"): row_of(model, 3, 0.0)}
    with RunningScorer(redis_url, {"shared_row_ads": 3}) as other:
        other.wait_for_model("v1")
        begin_epoch(other, publisher)
        publisher.delta(row_delta("v1", 1, rows, click_ts=[wall_ms()]))
        eventually(lambda: other.metric(f"{FRESH}_count") == 1)
        assert_serves(other, model, rows, "ad-1", "ad-4", "ad-5")
        assert_renewed(other, "ad-1", "ad-4", "ad-5")
        assert other.metric("ctr_scorer_stale_seconds") == 0


def test_very_many_ads_of_one_delta_are_renewed_in_the_background(
    scorer: RunningScorer,
    publisher: Publisher,
    model: TinyModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever else may share their rows: changes of ads would wait meanwhile."""
    monkeypatch.setattr(half_refresher, "_MOST_AT_ONCE", 1)
    rows = {row: row_of(model, row, 0.5) for row in (ad_row("ad-1"), ad_row("ad-2"))}
    begin_epoch(scorer, publisher)
    publisher.delta(row_delta("v1", 1, rows, click_ts=[wall_ms()]))
    eventually(lambda: scorer.metric(f"{FRESH}_count") == 1)
    assert_renewed(scorer, "ad-1", "ad-2", "ad-3")


def test_the_first_delta_of_an_epoch_brings_the_compacted_rows(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    """A learner that goes on from a checkpoint announces only what it learns from then on."""
    old, new = ad_row("ad-1"), ad_row("ad-2")
    rows = {row: row_of(model, row, 0.5) for row in (old, new)}
    publisher.compacted(row_delta("v1", 0, rows))
    publisher.delta(row_delta("v1", 0, {new: rows[new]}, click_ts=[wall_ms()]))
    eventually(lambda: scorer.metric(f"{FRESH}_count") == 1)
    assert_serves(scorer, model, rows, "ad-1", "ad-2", "ad-3")


def test_a_starting_scorer_has_the_compacted_rows(
    redis_url: str, publisher: Publisher, model: TinyModel
) -> None:
    row = ad_row("ad-1")
    rows = {row: row_of(model, row, 0.7)}
    publisher.package(model.package)
    publisher.delta(row_delta("v1", 41, {row: row_of(model, row, 9.0)}))
    publisher.delta(row_delta("v1", 42, rows))
    publisher.client.xtrim(model_deltas(MODEL, "v1"), maxlen=1)
    with RunningScorer(redis_url) as starting:
        starting.wait_for_model("v1")
        assert_serves(starting, model, rows, "ad-1", "ad-2")
        rows[row] = row_of(model, row, -0.7)
        publisher.delta(row_delta("v1", 43, rows, click_ts=[wall_ms()]))
        eventually(lambda: starting.metric(f"{FRESH}_count") == 1)
        assert_serves(starting, model, rows, "ad-1")
        assert starting.metric("ctr_scorer_delta_resyncs_total", reason="gap") == 0


def a_gap(publisher: Publisher, rows: dict[int, list[float]]) -> None:
    publisher.delta(row_delta("v1", 5, rows, click_ts=[wall_ms()]))


def a_new_epoch(publisher: Publisher, rows: dict[int, list[float]]) -> None:
    publisher.delta(row_delta("v1", 0, rows, epoch="e2", click_ts=[wall_ms()]))


def a_wrong_digest(publisher: Publisher, rows: dict[int, list[float]]) -> None:
    delta = row_delta("v1", 1, rows)
    publisher.delta(row_delta("v1", 1, rows), compacted=True)
    publisher.client.xtrim(model_deltas(MODEL, "v1"), maxlen=0)
    publisher.entry("v1", {**delta.to_fields(), b"digest": bytes(16)})


def another_base(publisher: Publisher, rows: dict[int, list[float]]) -> None:
    publisher.entry("v1", row_delta("v9", 1, {}).to_fields())
    publisher.delta(row_delta("v1", 1, rows, click_ts=[wall_ms()]))


def rows_that_do_not_fit(publisher: Publisher, rows: dict[int, list[float]]) -> None:
    publisher.delta(row_delta("v1", 1, {LAYOUT.rows: [0.0] * (1 + DIM)}), compacted=False)
    publisher.delta(row_delta("v1", 2, rows, click_ts=[wall_ms()]))


@pytest.mark.parametrize(
    ("break_stream", "reason"),
    [
        (a_gap, "gap"),
        (a_new_epoch, "epoch"),
        (a_wrong_digest, "damaged"),
        (another_base, "base"),
        (rows_that_do_not_fit, "damaged"),
    ],
)
def test_a_broken_stream_is_reloaded(
    scorer: RunningScorer,
    publisher: Publisher,
    model: TinyModel,
    break_stream: Callable[[Publisher, dict[int, list[float]]], None],
    reason: str,
) -> None:
    row = ad_row("ad-1")
    begin_epoch(scorer, publisher)
    before = scorer.metric("ctr_scorer_delta_resyncs_total", reason=reason)
    rows = {row: row_of(model, row, 2.0)}
    break_stream(publisher, rows)

    def served_rows_are_new() -> bool:
        ad = scorer.score("ad-1").ads[0]
        return ad.ctr == pytest.approx(model.ctr(served(ad).inputs, changed(rows)), rel=1e-3)

    eventually(served_rows_are_new)
    assert scorer.metric("ctr_scorer_delta_resyncs_total", reason=reason) > before
    if break_stream is not a_wrong_digest:
        eventually(lambda: scorer.metric(f"{FRESH}_count") == 1)


def test_rows_that_the_learner_has_lost_are_the_packages_again(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    """It went on from a checkpoint before them; the model in memory is mended, not loaded anew."""
    lost, kept = ad_row("ad-1"), ad_row("ad-2")
    rows = {row: row_of(model, row, 0.5) for row in (lost, kept)}
    begin_epoch(scorer, publisher)
    publisher.delta(row_delta("v1", 1, rows))
    eventually(lambda: scorer.process.holder.require().position.sequence == 1)
    in_memory = scorer.process.holder.require()
    publisher.client.delete(model_rows(MODEL, "v1"))
    del rows[lost]
    publisher.delta(row_delta("v1", 0, rows, epoch="e2", click_ts=[wall_ms()]))
    eventually(lambda: scorer.metric(f"{FRESH}_count") == 1)
    assert_serves(scorer, model, rows, "ad-1", "ad-2", "ad-3")
    assert scorer.process.holder.require() is in_memory


def test_rows_are_mended_while_another_version_is_refused(
    scorer: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    """The learner, too, stays with the version that can be used."""
    begin_epoch(scorer, publisher)
    publisher.client.set(model_current(MODEL), "not-there")
    eventually(lambda: scorer.metric("ctr_scorer_packages_refused_total") == 1)
    row = ad_row("ad-1")
    rows = {row: row_of(model, row, 2.0)}
    a_gap(publisher, rows)
    eventually(lambda: scorer.metric(f"{FRESH}_count") == 1)
    assert_serves(scorer, model, rows, "ad-1", "ad-2")


def test_what_fails_while_rows_are_mended_is_mended_again(
    scorer: RunningScorer,
    publisher: Publisher,
    model: TinyModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin_epoch(scorer, publisher)
    refresher = scorer.process._feeder._refresher
    rows_changed, faults = refresher.rows_changed, [MemoryError()]

    def fails_first(*arguments: Any) -> None:
        if faults:
            raise faults.pop()
        rows_changed(*arguments)

    monkeypatch.setattr(refresher, "rows_changed", fails_first)
    row = ad_row("ad-1")
    rows = {row: row_of(model, row, 2.0)}
    a_gap(publisher, rows)
    eventually(lambda: scorer.metric(f"{FRESH}_count") == 1)
    assert_serves(scorer, model, rows, "ad-1", "ad-2")
