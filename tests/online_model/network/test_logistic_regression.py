"""The regression's slopes are those of autograd."""

import torch

from online_model.network.logistic_regression import LogisticRegression


def test_slopes_are_those_of_autograd() -> None:
    generator = torch.Generator().manual_seed(0)
    fields = torch.randn(7, 5, 1, generator=generator)
    numbers, by_scores = torch.randn(7, 3, generator=generator), torch.randn(7, generator=generator)
    model = LogisticRegression(3)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    factors = [each.clone().requires_grad_() for each in (fields, *model.parameters())]
    plain = factors[1] + factors[0].sum(dim=(1, 2)) + numbers @ factors[2]
    expected = torch.autograd.grad(plain, factors, by_scores)
    passed = model.passed(fields, numbers)
    torch.testing.assert_close(passed.scores, plain)
    by_fields, by_parameters = passed.slopes(by_scores, dense=True)
    for found, wanted in zip((by_fields, *by_parameters), expected, strict=True):
        torch.testing.assert_close(found, wanted)
    assert passed.slopes(by_scores, dense=False).parameters == []
