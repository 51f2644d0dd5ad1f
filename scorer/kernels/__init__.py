"""The inner loops of a request: native ones for this processor, or the same in numpy."""

from scorer.kernels.interface import (
    SOURCES,
    AnsweredAds,
    ExactWeights,
    Kernels,
    Lists,
    SideWeights,
    Texts,
    TokenFrame,
    TowerWeights,
)
from scorer.kernels.native import best_kernels

__all__ = [
    "SOURCES",
    "AnsweredAds",
    "ExactWeights",
    "Kernels",
    "Lists",
    "SideWeights",
    "Texts",
    "TokenFrame",
    "TowerWeights",
    "best_kernels",
]
