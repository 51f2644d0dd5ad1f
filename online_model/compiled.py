"""Numba's compiler as a decorator that keeps types; machine code is cached beside the module."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Products may be fused with sums and sums of floats be reordered, the same way in each run."""
    decorate = njit(cache=True, fastmath={"contract", "reassoc"})
    return cast(Callable[P, R], decorate(function))
