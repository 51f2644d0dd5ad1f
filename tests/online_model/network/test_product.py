"""A product is torch's own, whoever computes it."""

import pytest
import torch

from online_model.network.product import HAS_ONEDNN, LARGE, by_onednn, factor, product


@pytest.mark.parametrize("rows", [1, 3, 200])
@pytest.mark.parametrize("stack", [None, 1, 2])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("columns", [60, 300])
def test_a_product(rows: int, stack: int | None, turned: bool, columns: int) -> None:
    """200 rows are a large one, where there is one matrix."""
    random = torch.Generator().manual_seed(0)
    before = () if stack is None else (stack,)
    assert (rows * 100 * columns >= LARGE) == (rows == 200)
    left = torch.randn((*before, rows, 100), generator=random)
    right = torch.randn((*before, 100, columns), generator=random)
    if turned:
        left = left.transpose(-1, -2).contiguous().transpose(-1, -2)
    torch.testing.assert_close(product(left, right), left @ right, rtol=1e-5, atol=1e-4)
    if stack is None and HAS_ONEDNN:
        torch.testing.assert_close(by_onednn(left, right), left @ right, rtol=1e-5, atol=1e-4)


def test_bfloat16_factors_are_summed_in_float32() -> None:
    left, right = torch.full((1, 1000), 1.001), torch.ones(1000, 1)
    found = product(factor(left, True), factor(right, True))
    assert found.dtype == torch.float32
    assert found.item() == 1000.0
    assert factor(left, False) is left
