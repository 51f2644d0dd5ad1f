"""Products of matrices: float32 ones that are large by oneDNN where it is faster, bfloat16 ones
summed in float32.

torch asks MKL, which leaves AVX-512 to processors of its maker: on others its products take twice
as long. oneDNN looks at what a processor can. Of small products its preparation is the most, and
with AVX2 MKL is the faster one.
"""

import torch
from torch import Tensor

#: Multiplications of a product from which on oneDNN is the faster one.
LARGE = 1_000_000
_IS_BUILT = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
HAS_ONEDNN = _IS_BUILT and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_ONEDNN_IS_FASTER = HAS_ONEDNN and torch.backends.cpu.get_cpu_capability() == "AVX512"


def factor(matrix: Tensor, bf16: bool) -> Tensor:
    """A float32 matrix as a factor of products, rounded to bfloat16 or not."""
    return matrix.bfloat16() if bf16 else matrix


def product(left: Tensor, right: Tensor) -> Tensor:
    """[n, i] and [i, o], or a stack of each, both of one type -> float32 [n, o]."""
    if left.dtype == torch.bfloat16:
        return (left @ right).float()
    multiplications = left.numel() * right.shape[-1]
    if left.ndim == 2:
        is_large = _ONEDNN_IS_FASTER and multiplications >= LARGE
        return by_onednn(left, right) if is_large else left.mm(right)
    if len(left) == 1 and _ONEDNN_IS_FASTER and multiplications >= LARGE:
        return by_onednn(left[0], right[0])[None]
    return left.bmm(right)


def by_onednn(left: Tensor, right: Tensor) -> Tensor:
    """The product of float32 [n, i] and [i, o]. It reads a first factor by rows: of two that lie by
    columns the smaller one is made the first, which is turned sooner."""
    if left.stride(0) == 1 and right.shape[1] < left.shape[0]:
        return by_onednn(right.t(), left.t()).t()
    found: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")
    return found
