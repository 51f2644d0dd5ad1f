"""Numba's compiler as a decorator that keeps types, with a hint for processors; machine code is
cached beside the module."""

import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

# Flink's Python workers replace print by a method that its module does not have, and Numba, which
# looks print up by module and name, cannot be imported then.
_prints_module = sys.modules[print.__module__]
if not hasattr(_prints_module, print.__name__):
    setattr(_prints_module, print.__name__, print)

from llvmlite import ir  # noqa: E402
from numba import njit, types  # noqa: E402
from numba.core import cgutils  # noqa: E402
from numba.extending import intrinsic  # noqa: E402


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Products may be fused with sums and sums of floats be reordered, the same way in each run."""
    decorate = njit(cache=True, fastmath={"contract", "reassoc"})
    return cast(Callable[P, R], decorate(function))


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(_: Any, array: Any, row: Any, column: Any) -> Any:
    """In compiled code: array[row, column] will be wanted soon, and nobody waits for it.

    A loop over rows that are anywhere in a large table waits for memory, one row after the other:
    asked for 16 turns ahead, the step of :mod:`online_model.network.row_kernels` took a quarter.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, *indices = arguments
        of, *index_types = signature.args
        view = context.make_array(of)(context, builder, given)
        places = [
            context.cast(builder, index, own, types.intp)
            for index, own in zip(indices, index_types, strict=True)
        ]
        place = cgutils.get_item_pointer(context, builder, of, view, places, wraparound=False)
        bytes_at, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        hint = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [bytes_at, number, number, number]),
            "llvm.prefetch.p0i8",
        )
        # For reading, to stay in all caches, as data.
        options = [number(0), number(3), number(1)]
        builder.call(hint, [builder.bitcast(place, bytes_at), *options])
        return context.get_dummy_value()

    return types.void(array, row, column), generate
