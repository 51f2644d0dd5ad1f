"""One step: slopes are those of the weighted log loss, the dense part moves only when it may."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from online_model.network.batch import Batch
from online_model.network.model import Architecture, Model
from online_model.training.dense_adam import DenseAdam
from online_model.training.learning_step import Objective, adam, learn_batch, pass_over
from schemas.calibration import Calibration
from tests.online_model.small_log import SETTINGS, clicks, history, random_model, samples

PLAIN = Objective(Calibration(), "vanilla", 0.0)
BOTH = pytest.mark.parametrize("architecture", ["deepfm", "lr"])


def loss(model: Model, batch: Batch, labels: Tensor) -> float:
    return float(torch.nn.functional.binary_cross_entropy_with_logits(model.scores(batch), labels))


def parts(count: int, seed: int = 0) -> Callable[[Model], tuple[Batch, Tensor]]:
    given = samples(count, seed)
    return lambda model: (model.batcher.batch(given), torch.from_numpy(clicks(given)))


@BOTH
def test_learning_lowers_the_loss(architecture: Architecture) -> None:
    model = random_model(architecture)
    batch, labels = parts(50)(model)
    before = loss(model, batch, labels)
    predicted = torch.sigmoid(model.scores(batch))
    told, _ = learn_batch(model, batch, labels, torch.ones(50), PLAIN, SETTINGS)
    np.testing.assert_allclose(
        torch.sigmoid(told), predicted, rtol=1e-5, err_msg="from before the step"
    )
    assert loss(model, batch, labels) < before - 0.01


def test_the_dense_part_moves_with_an_optimiser_only() -> None:
    model = random_model()
    batch, labels = parts(50)(model)
    before = model.dense_parameters()
    learn_batch(model, batch, labels, torch.ones(50), PLAIN, SETTINGS)
    assert all(np.array_equal(v, before[n]) for n, v in model.dense_parameters().items())
    learn_batch(model, batch, labels, torch.ones(50), PLAIN, SETTINGS, adam(model, SETTINGS))
    assert all((v != before[n]).any() for n, v in model.dense_parameters().items())


def test_the_dense_part_is_moved_as_by_torch() -> None:
    shapes, generator = [(), (3,), (2, 5, 1)], torch.Generator().manual_seed(0)
    first = [torch.randn(shape, generator=generator) for shape in shapes]
    ours = [tensor.clone() for tensor in first]
    theirs = [torch.nn.Parameter(tensor.clone()) for tensor in first]
    moved = DenseAdam(ours, 0.01, 0.1)
    expected = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1)
    for _ in range(20):
        gradients = [torch.randn(shape, generator=generator) for shape in shapes]
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient / 7
        expected.step()
        moved.step(gradients, 1 / 7)
    for own, other in zip(ours, theirs, strict=True):
        assert torch.allclose(own, other, rtol=1e-5, atol=1e-6)


@BOTH
def test_a_sample_of_weight_two_is_two_samples(architecture: Architecture) -> None:
    once, twice = random_model(architecture), random_model(architecture)
    batch, labels = parts(40)(once)
    doubled = Batch(*(torch.cat([t, t]) for t in (batch.ids, batch.sequence, batch.numbers)))
    learn_batch(once, batch, labels, torch.full((40,), 2.0), PLAIN, SETTINGS)
    learn_batch(twice, doubled, torch.cat([labels] * 2), torch.ones(80), PLAIN, SETTINGS)
    for one, other in (
        (once.table.values, twice.table.values),
        (once.table.curvature, twice.table.curvature),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


def test_the_calibrated_probability_is_what_rests_at_the_truth() -> None:
    """One sample, clicked in one of five: what is served ends there, whatever calibrates."""
    calibration = Calibration(method="platt", logits=(-9.0, 9.0), outputs=(-3.0, 0.6))
    objective = Objective(calibration, "vanilla", 0.0)
    model = random_model()
    batch = model.batcher.batch(samples(1))
    same = Batch(*(t.expand(5, -1) for t in (batch.ids, batch.sequence, batch.numbers)))
    labels = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    for _ in range(300):
        learn_batch(model, same, labels, torch.ones(5), objective, SETTINGS)
    assert float(objective.probabilities(model.scores(batch))[0]) == pytest.approx(0.2, abs=0.01)


def test_a_pass_predicts_each_batch_before_it_learns_it() -> None:
    past = history(120)
    model, follower = random_model(), random_model()
    told: list[int] = []
    logits = pass_over(model, past, PLAIN, SETTINGS, None, told.append)
    assert told == [50, 50, 20]
    expected = []
    for start in (0, 50, 100):
        part = past.part(start, start + 50)
        expected.append(follower.logits(part.samples))
        pass_over(follower, part, PLAIN, SETTINGS, None, lambda rows: None)
    np.testing.assert_allclose(logits, np.concatenate(expected), rtol=1e-5, atol=1e-6)
    assert follower.table.values.equal(model.table.values)
