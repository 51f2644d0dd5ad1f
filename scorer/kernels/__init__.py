"""The inner loops of a request: native ones for this processor, or the same in numpy."""

from scorer.kernels.interface import Kernels, Lists, TowerWeights
from scorer.kernels.native import best_kernels

__all__ = ["Kernels", "Lists", "TowerWeights", "best_kernels"]
