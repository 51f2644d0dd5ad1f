"""A product and its gradients are torch's own, whoever computes them."""

import pytest
import torch

from online_model.network.product import LARGE, product


@pytest.mark.parametrize("rows", [1, 3, 200])
@pytest.mark.parametrize("stack", [None, 1, 2])
def test_a_product_and_its_gradients(rows: int, stack: int | None) -> None:
    """200 rows are a large one, where there is one matrix."""
    random = torch.Generator().manual_seed(0)
    before = () if stack is None else (stack,)
    shapes = [(*before, rows, 100), (*before, 100, 60)]
    inputs, weight = (torch.randn(shape, generator=random, requires_grad=True) for shape in shapes)
    slope = torch.randn((*before, rows, 60), generator=random)
    assert (rows * 100 * 60 >= LARGE) == (rows == 200)

    found, expected = product(inputs, weight), inputs @ weight
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    for factors in ([inputs, weight], [inputs], [weight]):
        torch.testing.assert_close(
            torch.autograd.grad(product(inputs, weight), factors, slope),
            torch.autograd.grad(inputs @ weight, factors, slope),
            rtol=1e-5,
            atol=1e-4,
        )
