"""The inner loops of a request: native ones for this processor, or the same in numpy."""

from scorer.kernels.arguments import (
    SOURCES,
    AnsweredAds,
    Columns,
    ExactWeights,
    Index,
    Knots,
    Lists,
    SideWeights,
    StoredHalves,
    Texts,
    TokenFrame,
    TowerWeights,
)
from scorer.kernels.interface import Kernels
from scorer.kernels.library import StaleKernelsError
from scorer.kernels.native import best_kernels
from scorer.kernels.request_half import RequestHalf

__all__ = [
    "SOURCES",
    "AnsweredAds",
    "Columns",
    "ExactWeights",
    "Index",
    "Kernels",
    "Knots",
    "Lists",
    "RequestHalf",
    "SideWeights",
    "StaleKernelsError",
    "StoredHalves",
    "Texts",
    "TokenFrame",
    "TowerWeights",
    "best_kernels",
]
