"""A model of a declaration: its score from encoded samples is the plain one, for both kinds."""

import numpy as np
import pytest

from online_model.network.batch import standardisation
from online_model.network.model import SCORING_BATCH, Architecture, Model, Shape
from tests.online_model.plain_score import plain_logit
from tests.online_model.small_log import LAYOUT, SETTINGS, SPEC, random_model, samples

BOTH = pytest.mark.parametrize("architecture", ["deepfm", "lr"])


@BOTH
def test_logits_are_the_plain_ones(architecture: Architecture) -> None:
    model, given = random_model(architecture), samples(60, seed=3)
    expected = [plain_logit(model, given, at) for at in range(len(given))]
    np.testing.assert_allclose(model.logits(given), expected, rtol=1e-4, atol=1e-4)
    assert np.std(expected) > 0.1


def test_many_samples_are_scored_like_few() -> None:
    model, given = random_model(), samples(SCORING_BATCH + 7)
    logits = model.logits(given)
    np.testing.assert_allclose(logits[-9:], model.logits(given[-9:]), rtol=1e-5, atol=1e-5)
    assert len(model.logits(given[:0])) == 0


def test_shapes_follow_from_the_declaration() -> None:
    rows = 12 + 8 + 48 + 10
    assert Shape.of(SPEC, "deepfm") == Shape("deepfm", rows, dim=4, fields=5, numbers=4)
    assert Shape.of(SPEC, "lr") == Shape("lr", rows + 512, dim=0, fields=6, numbers=4)


@BOTH
def test_a_new_model_predicts_the_base_rate(architecture: Architecture) -> None:
    model = Model.new(SPEC, architecture, samples(50), 0.03, SETTINGS)
    probabilities = 1 / (1 + np.exp(-model.logits(samples(50, seed=5))))
    np.testing.assert_allclose(probabilities, 0.03, rtol=1e-5)


def test_crosses_are_further_rows_of_the_regression_only() -> None:
    given = samples(20)
    plain = random_model("deepfm").batcher.batch(given).ids
    crossed = random_model("lr").batcher.batch(given).ids
    assert crossed[:, :-1].equal(plain)
    assert plain.max() < LAYOUT.rows <= crossed[:, -1].min()


def test_numbers_are_standardised() -> None:
    given = samples(500)
    given["request_numbers"] = 7.0
    mean, std = standardisation(given)
    assert mean[0] == 7.0
    assert std[0] == 1.0, "a number that never varies is not blown up"
    numbers = Model.new(SPEC, "lr", given, 0.1, SETTINGS).batcher.batch(given).numbers.numpy()
    np.testing.assert_allclose(numbers.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(numbers.std(axis=0), [0.0, 1.0, 1.0, 1.0], atol=1e-5)


def test_a_part_of_a_batch_is_the_batch_of_a_part() -> None:
    batcher, given = random_model().batcher, samples(10)
    part, expected = batcher.batch(given).part(3, 7), batcher.batch(given[3:7])
    assert len(part) == 4
    assert part.ids.equal(expected.ids)
    assert part.sequence.equal(expected.sequence)
    assert part.numbers.equal(expected.numbers)


def test_dense_parameters_are_copies() -> None:
    model, given = random_model(), samples(5)
    before = model.logits(given)
    model.dense_parameters()["towers.w1"][:] = 9.0
    assert np.array_equal(model.logits(given), before)
