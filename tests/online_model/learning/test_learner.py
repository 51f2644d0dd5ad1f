"""Continual learning: predict changes nothing, learn changes what it says, state is complete."""

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from online_model.learning.learn_report import LearnReport
from online_model.learning.learner import OnlineLearner
from online_model.settings import OnlineModelSettings
from online_model.training.package_scorer import PackageScorer
from schemas import metric_names
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage, PackageError, file_entries
from tests.online_model.older_states import dump
from tests.online_model.small_log import LAYOUT, SETTINGS, SPEC, clicks, samples


@pytest.fixture(params=["deepfm", "lr"])
def learner(
    request: pytest.FixtureRequest, package: ModelPackage, regression_package: ModelPackage
) -> OnlineLearner:
    chosen = package if request.param == "deepfm" else regression_package
    return OnlineLearner.from_package(chosen, SPEC, SETTINGS)


def learn(
    learner: OnlineLearner,
    given: NDArray[np.void],
    kinds: list[str] | None = None,
    weight: float = 1.0,
    position: int = 1,
) -> LearnReport:
    labels = clicks(given)
    if kinds is None:
        kinds = ["POSITIVE" if label else "NEGATIVE" for label in labels]
    weights, positions = np.full(len(given), weight), np.full(len(given), position)
    return learner.learn(given, labels, kinds, weights, positions)


def test_it_begins_with_the_predictions_of_its_package(package: ModelPackage) -> None:
    learner = OnlineLearner.from_package(package, SPEC, SETTINGS)
    given = samples(100, seed=1)
    expected = PackageScorer(package, SPEC).probabilities(given)
    np.testing.assert_allclose(learner.predict(given), expected, rtol=1e-4)
    assert learner.base_version == "v1"
    assert learner.late_click_share == pytest.approx(0.4)
    assert (learner.samples_seen, len(learner.touched_rows()[0])) == (0, 0)


def test_predicting_changes_nothing(learner: OnlineLearner) -> None:
    learn(learner, samples(120, seed=1))
    before = dump(learner)
    first = learner.predict(samples(300, seed=2))
    assert np.array_equal(learner.predict(samples(300, seed=2)), first)
    assert dump(learner) == before


def test_learning_changes_the_rows_it_tells_and_no_others(learner: OnlineLearner) -> None:
    everything = np.arange(LAYOUT.rows, dtype=np.int32)
    before = learner.rows(everything)
    given = samples(3, seed=1)
    report = learn(learner, given)
    moved = np.flatnonzero((learner.rows(everything) != before).any(axis=1))
    read = {*given["request_ids"].ravel(), *given["ad_ids"].ravel(), *given["sequence"].ravel()}
    own = report.ids[report.ids < LAYOUT.rows]
    assert own.tolist() == moved.tolist() == sorted(read - {-1})
    assert np.array_equal(report.values, learner.rows(report.ids))
    assert np.array_equal(learner.touched_rows()[0], report.ids)
    assert learner.samples_seen == 3


def test_touched_rows_gather(learner: OnlineLearner) -> None:
    first, second = learn(learner, samples(3, seed=1)), learn(learner, samples(3, seed=2))
    ids, values = learner.touched_rows()
    assert ids.tolist() == np.union1d(first.ids, second.ids).tolist()
    assert np.array_equal(values, learner.rows(ids))
    gauge = REGISTRY.get_sample_value(metric_names.TOUCHED_ROWS.name)
    assert gauge == len(ids)


def test_learning_leads_to_what_is_observed(learner: OnlineLearner) -> None:
    """Everything is clicked from now on: the report's loss falls, predictions rise."""
    given = samples(200, seed=1)
    always = np.ones(200, np.int64)
    kinds, ones = ["POSITIVE"] * 200, np.ones(200)
    before = learner.predict(given).mean()
    losses = [learner.learn(given, always, kinds, ones, always).log_loss for _ in range(5)]
    assert learner.predict(given).mean() > before + 0.2
    assert losses == sorted(losses, reverse=True)


def test_the_report_is_of_what_was_predicted_before(learner: OnlineLearner) -> None:
    given = samples(40, seed=1)
    labels, p = clicks(given), learner.predict(given)
    kinds = np.where(labels > 0, "POSITIVE", "NEGATIVE").astype("U10")
    kinds[:3], labels[:3] = "CORRECTION", 1.0
    weights = np.where(labels > 0, 1.0, 10.0)
    report = learner.learn(given, labels, kinds, weights, np.ones(40, np.int64))
    first = slice(3, None)
    y, q = labels[first], p[first]
    losses = -(y * np.log(q) + (1 - y) * np.log(1 - q))
    assert report.log_loss == pytest.approx(np.average(losses, weights=weights[first]))
    assert report.predicted_sum == pytest.approx(np.sum(weights[first] * q))
    assert report.observed_sum == pytest.approx(labels.sum())
    assert report.first.tolist() == [False] * 3 + [True] * 37


@pytest.mark.parametrize(("kinds", "weight"), [("MATURE", 1.0), ("NEGATIVE", 0.0)])
def test_mature_and_weightless_samples_are_not_learnt(
    learner: OnlineLearner, kinds: str, weight: float
) -> None:
    before = dump(learner)
    report = learn(learner, samples(20), [kinds] * 20, weight)
    assert dump(learner) == before
    assert len(report.ids) == 0
    assert np.isnan(report.log_loss)
    assert len(report.predicted) == 0


def test_passed_over_samples_do_not_shift_the_others(package: ModelPackage) -> None:
    given = samples(30, seed=1)
    mixed, alone = (OnlineLearner.from_package(package, SPEC, SETTINGS) for _ in range(2))
    kinds = np.where(np.arange(30) % 3 == 0, "MATURE", "NEGATIVE").tolist()
    positions = 1 + np.arange(30) % 5
    mixed.learn(given, np.zeros(30), kinds, np.ones(30), positions)
    chosen = np.arange(30) % 3 != 0
    alone.learn(given[chosen], np.zeros(20), ["NEGATIVE"] * 20, np.ones(20), positions[chosen])
    assert dump(mixed) == dump(alone)


def test_it_goes_back_to_its_mark(learner: OnlineLearner) -> None:
    """Rows, their curvature, late clicks and base rate: all that was learnt since is forgotten."""
    learn(learner, samples(120, seed=1))
    learner.mark()
    before, told = dump(learner), learner.touched_rows()[0]
    changed = [learn(learner, samples(60, seed=seed), ["CORRECTION"] * 60).ids for seed in (2, 3)]
    marked = OnlineLearner.load(dump(learner), SPEC, SETTINGS)
    marked.load_mark(learner.dump_mark())
    for each in (learner, marked):
        back = each.return_to_mark()
        assert back.tolist() == np.union1d(*changed).tolist()
        fresh = OnlineLearner.load(before, SPEC, SETTINGS)
        everything = np.arange(LAYOUT.rows, dtype=np.int32)
        np.testing.assert_array_equal(each.rows(everything), fresh.rows(everything))
        learn(each, samples(80, seed=4))
        learn(fresh, samples(80, seed=4))
        np.testing.assert_array_equal(each.rows(everything), fresh.rows(everything))
        assert each.shift == fresh.shift
        assert each.late_click_share == fresh.late_click_share
        assert each.samples_seen == fresh.samples_seen == 200
    assert set(told) <= set(learner.touched_rows()[0])


def test_what_is_assessed_is_reported_and_not_learnt(learner: OnlineLearner) -> None:
    given = samples(40, seed=1)
    labels, kinds = clicks(given), ["NEGATIVE"] * 40
    before = dump(learner)
    ones, first = np.ones(40), np.ones(40, np.int64)
    report = learner.assess(given, labels, kinds, ones, first)
    assert dump(learner) == before
    assert (report.withheld, len(report.ids)) == (True, 0)
    learnt = learner.learn(given, labels, kinds, ones, first)
    np.testing.assert_allclose(report.predicted, learnt.predicted, rtol=1e-4)


def test_the_base_rate_is_followed_by_a_shift(package: ModelPackage) -> None:
    learner = OnlineLearner.from_package(package, SPEC, SETTINGS)
    off = SETTINGS.model_copy(update={"recalibration": False})
    without = OnlineLearner.from_package(package, SPEC, off)
    given = samples(1500, seed=1)
    labels = clicks(given) * (np.random.default_rng(0).random(1500) < 0.25)
    kinds = np.where(labels > 0, "POSITIVE", "NEGATIVE")
    losses = []
    for each in (learner, without):
        ones, first = np.ones(1500), np.ones(1500, np.int64)
        losses.append(each.learn(given, labels, kinds, ones, first).log_loss)
    assert learner.shift < -0.2
    assert without.shift == 0.0
    assert losses[0] < losses[1]


def test_no_samples_are_no_news(learner: OnlineLearner) -> None:
    before = dump(learner)
    assert len(learn(learner, samples(0)).ids) == 0
    assert dump(learner) == before


def test_the_position_where_it_was_shown_is_learnt(learner: OnlineLearner) -> None:
    given = samples(30, seed=1)
    learn(learner, given, position=5)
    rows = learner.touched_rows()[0]
    assert LAYOUT.offsets["position"] + 5 in rows
    assert LAYOUT.offsets["position"] + 1 not in rows
    assert (given["request_ids"][:, 1] == LAYOUT.offsets["position"] + 1).all()


def test_the_late_share_follows_corrections(learner: OnlineLearner) -> None:
    given = samples(400, seed=1)
    kinds = ["CORRECTION"] * 400
    learner.learn(given, np.ones(400), kinds, np.ones(400), np.ones(400, np.int64))
    assert learner.late_click_share == pytest.approx((80 + 400) / 600, abs=0.05)


def test_going_on_from_a_dump_gives_the_same_bits(learner: OnlineLearner) -> None:
    learn(learner, samples(170, seed=1))
    restored = OnlineLearner.load(dump(learner), SPEC, SETTINGS)
    assert dump(restored) == dump(learner)
    for each in (learner, restored):
        learn(each, samples(130, seed=2), position=3)
    assert dump(restored) == dump(learner)
    given = samples(100, seed=3)
    assert np.array_equal(restored.predict(given), learner.predict(given))
    assert restored.samples_seen == learner.samples_seen == 300
    assert restored.base_version == learner.base_version
    assert restored.late_click_share == learner.late_click_share
    assert np.array_equal(restored.touched_rows()[0], learner.touched_rows()[0])


def test_its_files_are_a_package_that_begins_where_it_is(learner: OnlineLearner) -> None:
    base = learner._package
    learn(learner, samples(170, seed=1), ["CORRECTION"] * 170)
    files = learner.files()
    assert files.keys() == base.files.keys()
    manifest = base.manifest.model_copy(update={"files": file_entries(files)})
    again = OnlineLearner.from_package(ModelPackage.checked(manifest, files), SPEC, SETTINGS)
    given = samples(100, seed=3)
    np.testing.assert_allclose(again.predict(given), learner.predict(given), rtol=1e-6)
    assert again.late_click_share == pytest.approx(learner.late_click_share)
    assert again.files() == files


def test_a_state_of_other_features_is_refused(learner: OnlineLearner) -> None:
    other = FeatureSpec.model_validate({**SPEC.model_dump(), "name": "other"})
    with pytest.raises(PackageError, match=f"this process has {other.fingerprint}"):
        OnlineLearner.load(dump(learner), other, SETTINGS)


def test_late_clicks_do_not_pull_predictions_down(package: ModelPackage) -> None:
    """Nine of ten clicks are late. Predictions stay with ES-DFM's weights and sink without."""
    given = samples(6000, seed=5)
    labels = clicks(given, seed=6)
    late = (labels > 0) & (np.random.default_rng(0).random(6000) < 0.9)
    first = np.where(late, 0.0, labels)
    order = np.concatenate([np.arange(6000), np.flatnonzero(late)])
    corrections = ["CORRECTION"] * int(late.sum())
    kinds = [*np.where(first > 0, "POSITIVE", "NEGATIVE").tolist(), *corrections]
    targets = np.concatenate([first, np.ones(len(corrections))])
    # In the stream corrections of earlier impressions come among later ones.
    shuffled = np.random.default_rng(1).permutation(len(order))
    means = {}
    for method in ("es_dfm", "vanilla"):
        changed = {"delayed_feedback": method, "recalibration": False}
        settings = OnlineModelSettings(**{**SETTINGS.model_dump(), **changed})
        learner = OnlineLearner.from_package(package, SPEC, settings)
        learner.learn(
            given[order[shuffled]],
            targets[shuffled],
            [kinds[at] for at in shuffled],
            np.ones(len(order)),
            np.ones(len(order), np.int64),
        )
        means[method] = float(learner.predict(samples(3000, seed=9)).mean())
    truth = float(labels.mean())
    assert means["es_dfm"] == pytest.approx(truth, rel=0.12)
    assert means["vanilla"] < 0.95 * means["es_dfm"]
