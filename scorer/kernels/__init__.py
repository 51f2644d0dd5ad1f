"""The inner loops of a request: native ones for this processor, or the same in numpy."""

from scorer.kernels.interface import ExactWeights, Kernels, Lists, SideWeights, TowerWeights
from scorer.kernels.native import best_kernels

__all__ = [
    "ExactWeights",
    "Kernels",
    "Lists",
    "SideWeights",
    "TowerWeights",
    "best_kernels",
]
