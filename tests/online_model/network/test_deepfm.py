"""DeepFM: the score is the formula of the paper, its slopes those of autograd; first weights follow
the seed."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from online_model.network.deepfm import DeepFM
from tests.online_model.plain_score import plain_deepfm


class Size(NamedTuple):
    fields: int
    dim: int
    numbers: int
    towers: int
    hidden: tuple[int, ...]
    seed: int


SIZES = st.builds(
    Size,
    fields=st.integers(1, 6),
    dim=st.integers(1, 5),
    numbers=st.integers(0, 4),
    towers=st.integers(1, 3),
    hidden=st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple),
    seed=st.integers(0, 2**31),
)


def random_pass(size: Size, n: int) -> tuple[DeepFM, Tensor, Tensor, Tensor]:
    """A model without zeros, n rows of fields and numbers, slopes by their scores."""
    generator = torch.Generator().manual_seed(size.seed)
    model = DeepFM(*size)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    shapes = [(n, size.fields, 1 + size.dim), (n, size.numbers), (n,)]
    fields, numbers, slopes = (torch.randn(shape, generator=generator) for shape in shapes)
    return model, fields, numbers, slopes


def scores_of(weights: Mapping[str, Tensor], fields: Tensor, numbers: Tensor) -> Tensor:
    """As the paper has them, recorded for autograd."""
    vectors = fields[:, :, 1:]
    pairs = vectors.sum(dim=1).square().sum(dim=1) - vectors.square().sum(dim=(1, 2))
    linear = weights["bias"] + fields[:, :, 0].sum(dim=1) + numbers @ weights["number_weights"]
    inputs = torch.cat([vectors.flatten(1), numbers], dim=1)
    first = inputs @ weights["towers.w1"] + weights["towers.b1"]
    layer = torch.stack(first.chunk(len(weights["towers.weights.0"]), dim=1))
    for at in range(sum(name.startswith("towers.weights.") for name in weights)):
        layer = layer.relu() @ weights[f"towers.weights.{at}"] + weights[f"towers.shifts.{at}"]
    scores: Tensor = linear + 0.5 * pairs + layer.mean(dim=0).squeeze(1)
    return scores


@settings(deadline=None)
@given(size=SIZES)
def test_score_is_that_of_the_paper(size: Size) -> None:
    model, rows, standardised, _ = random_pass(size, 5)
    scores = model(rows, standardised).numpy()
    weights = {name: value.numpy() for name, value in model.named_parameters()}
    expected = [
        plain_deepfm(weights, list(row), number)
        for row, number in zip(rows.double().numpy(), standardised.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


def test_at_first_the_tower_says_nothing() -> None:
    model = DeepFM(3, 4, 2, 2, (8, 4), seed=1)
    inputs = torch.randn(6, 14, generator=torch.Generator().manual_seed(0))
    assert model.towers.passed(inputs).logits.tolist() == [0.0] * 6


def test_first_weights_follow_the_seed() -> None:
    first, again, other = (DeepFM(3, 4, 2, 1, (8, 4), seed).towers.w1 for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@settings(deadline=None)
@given(size=SIZES)
def test_slopes_are_those_of_autograd(size: Size) -> None:
    model, rows, numbers, by_scores = random_pass(size, 7)
    weights = {n: each.double().requires_grad_() for n, each in model.named_parameters()}
    fields = rows.double().requires_grad_()
    plain = scores_of(weights, fields, numbers.double())
    expected = torch.autograd.grad(plain, [fields, *weights.values()], by_scores.double())
    passed = model.passed(rows, numbers)
    torch.testing.assert_close(passed.scores, plain.float(), rtol=1e-4, atol=1e-4)
    by_fields, by_parameters = passed.slopes(by_scores, dense=True)
    for found, wanted in zip((by_fields, *by_parameters), expected, strict=True):
        torch.testing.assert_close(found, wanted.float(), rtol=1e-3, atol=1e-4)
    without, none = passed.slopes(by_scores, dense=False)
    assert torch.equal(without, by_fields)
    assert none == []


def test_with_bf16_only_factors_are_rounded() -> None:
    model, rows, numbers, by_scores = random_pass(Size(6, 8, 3, 2, (16, 8), 1), 50)
    exact, rounded = (model.passed(rows, numbers, bf16) for bf16 in (False, True))
    assert not torch.equal(exact.scores, rounded.scores)
    told = [(each.scores, *each.slopes(by_scores, dense=True)) for each in (exact, rounded)]
    wanted, found = ([scores, fields, *others] for scores, fields, others in told)
    for expected, close in zip(wanted, found, strict=True):
        assert close.dtype == torch.float32
        assert (close - expected).norm() <= 0.1 * expected.norm()
