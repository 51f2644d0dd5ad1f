"""Numba's compiler as a decorator that keeps types; machine code is cached beside the module."""

import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

# Flink's Python workers replace print by a method that its module does not have, and Numba, which
# looks print up by module and name, cannot be imported then.
_prints_module = sys.modules[print.__module__]
if not hasattr(_prints_module, print.__name__):
    setattr(_prints_module, print.__name__, print)

from numba import njit  # noqa: E402


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Products may be fused with sums and sums of floats be reordered, the same way in each run."""
    decorate = njit(cache=True, fastmath={"contract", "reassoc"})
    return cast(Callable[P, R], decorate(function))
