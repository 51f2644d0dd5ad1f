"""DeepFM: the score is the formula of the paper, pair by pair; first weights follow the seed."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from online_model.network.deepfm import DeepFM
from tests.online_model.plain_score import plain_deepfm


@settings(deadline=None)
@given(
    fields=st.integers(1, 6),
    dim=st.integers(1, 5),
    numbers=st.integers(0, 4),
    towers=st.integers(1, 3),
    hidden=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    seed=st.integers(0, 2**31),
)
def test_score_is_that_of_the_paper(
    fields: int, dim: int, numbers: int, towers: int, hidden: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = DeepFM(fields, dim, numbers, towers, tuple(hidden), seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    rows = torch.randn(5, fields, 1 + dim, generator=generator)
    standardised = torch.randn(5, numbers, generator=generator)
    with torch.no_grad():
        scores = model(rows, standardised).numpy()
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    expected = [
        plain_deepfm(weights, list(row), number)
        for row, number in zip(rows.double().numpy(), standardised.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


def test_at_first_the_tower_says_nothing() -> None:
    model = DeepFM(3, 4, 2, 2, (8, 4), seed=1)
    inputs = torch.randn(6, 14, generator=torch.Generator().manual_seed(0))
    assert model.towers(inputs).tolist() == [0.0] * 6


def test_first_weights_follow_the_seed() -> None:
    first, again, other = (DeepFM(3, 4, 2, 1, (8, 4), seed).towers.w1 for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_slopes_of_fields_are_those_of_a_plain_autograd() -> None:
    model = DeepFM(4, 3, 2, 2, (8, 4), seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    rows = torch.randn(5, 4, 4, generator=generator).requires_grad_()
    numbers, by_scores = torch.randn(5, 2, generator=generator), torch.arange(5.0)
    vectors = rows[:, :, 1:]
    pairs = vectors.sum(dim=1).square().sum(dim=1) - vectors.square().sum(dim=(1, 2))
    tower = model.towers(torch.cat([vectors.flatten(1), numbers], dim=1))
    (expected,) = torch.autograd.grad(
        rows[:, :, 0].sum(dim=1) + 0.5 * pairs + tower, rows, by_scores
    )
    (slopes,) = torch.autograd.grad(model(rows, numbers), rows, by_scores)
    np.testing.assert_allclose(slopes, expected, rtol=1e-4, atol=1e-4)
