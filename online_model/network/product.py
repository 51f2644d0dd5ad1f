"""Products of float32 matrices, of large ones by oneDNN.

torch asks MKL, which leaves AVX-512 to processors of its maker: on others its products take twice
as long. oneDNN looks at what a processor can. Of small products its preparation is the most.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Multiplications of a product from which on oneDNN is the faster one.
LARGE = 1_000_000
_IS_BUILT = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
_HAS_ONEDNN = _IS_BUILT and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(inputs: Tensor, weight: Tensor) -> Tensor:
    """Inputs [n, i] and weight [i, o] -> [n, o], or a stack of each: [k, n, i], [k, i, o]."""
    if weight.ndim == 3 and len(weight) == 1:
        return product(inputs.squeeze(0), weight.squeeze(0)).unsqueeze(0)
    if weight.ndim == 3 or not _HAS_ONEDNN or inputs.numel() * weight.shape[1] < LARGE:
        return inputs @ weight
    return cast(Tensor, _Large.apply(inputs, weight))  # type: ignore[no-untyped-call]


class _Large(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor) -> Tensor:
        """Keeps its factors."""
        ctx.save_for_backward(inputs, weight)
        return _by_onednn(inputs, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Of what was asked for. That of the weight is made the other way round: oneDNN reads
        a first factor by rows, and the smaller one is turned sooner."""
        inputs, weight = ctx.saved_tensors
        by_inputs, by_weight = ctx.needs_input_grad
        return (
            _by_onednn(gradient, weight.t()) if by_inputs else None,
            _by_onednn(gradient.t(), inputs).t() if by_weight else None,
        )


def _by_onednn(left: Tensor, right: Tensor) -> Tensor:
    """The product of [n, i] and [i, o]; torch's own name for it has the second one turned."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")
    return found
