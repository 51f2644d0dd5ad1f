"""What the kernels compute, whoever computes it.

The native ones release the interpreter's lock while they work, unless the process has one core.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.arguments import (
    AdColumns,
    AnsweredAds,
    Columns,
    ExactWeights,
    Floats,
    Index,
    Knots,
    Lists,
    SideWeights,
    Slots,
    StoredHalves,
    Texts,
    TokenFrame,
    TowerWeights,
)
from scorer.kernels.request_half import RequestHalf


class Kernels(Protocol):
    """``name`` says which build it is."""

    name: str

    def scan(
        self,
        lists: Lists,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        query: NDArray[np.int8],
        scale: float,
        price_weight: float,
        wanted: int,
        allowed: NDArray[np.uint16] | None = None,
    ) -> tuple[Slots, Floats]:
        """Positions of the best ``wanted`` rows of the blocks [starts, ends), in no order, and
        their scores.

        A row's score is ``scale`` · (codes · query) + bias + ``price_weight`` · log price; with
        ``allowed`` [blocks] only rows with a bit there count.
        """

    def search(
        self,
        index: Index,
        query: Floats,
        wanted: int,
        probes: int,
        allowed: NDArray[np.uint16] | None = None,
    ) -> tuple[Slots, Floats]:
        """About the best ``wanted`` slots for a query [dim + 2], in no order, and their scores: of
        the ``probes`` lists whose centroids are nearest, and of the open one."""

    def read_rows(
        self, columns: Columns, names: int, slots: Slots
    ) -> tuple[Sequence[NDArray[Any]], NDArray[np.int32]] | None:
        """Of the ads in ``slots`` [n] the rows of all arrays, [n] each, and of the first ``names``
        of the table, [names, n]; None if an ad was written meanwhile."""

    def tower_logits(
        self,
        weights: TowerWeights,
        hidden: NDArray[np.int8],
        steps: Floats,
        slots: Slots,
        request: Floats,
    ) -> Floats:
        """Approximate logits [n] of the ads in ``slots`` [n].

        ``hidden`` [.., towers · widths[0]] times ``steps`` [..] are the ads' halves of the first
        layer; ``request`` [towers · widths[0]] is the request's.
        """

    def gathered_products(self, rows: Floats, slots: Slots, query: Floats) -> Floats:
        """Inner products [n] of ``rows`` [.., d] in ``slots`` [n] with a query [d]."""

    def finalists(
        self,
        stored: StoredHalves,
        half: RequestHalf,
        slots: Slots,
        wanted: int,
        tower: TowerWeights | None,
        shortlist: int,
        knots: Knots,
        prices: NDArray[np.int64] | None,
    ) -> Slots:
        """The ``wanted`` best of more candidates in ``slots`` [n], in the order they had.

        First by the product of their vectors with the request's, which has their usual tower; with
        a ``tower``, the ``shortlist`` best of those by that one. With ``prices`` [..] the best are
        those of the highest price times probability, without the floor of ``knots``: below it, too,
        one is better than another.
        """

    def halves(self, side: SideWeights, parts: NDArray[np.void]) -> tuple[Floats, Floats, Floats]:
        """FM sums [n, dim], scalars [n] and first layers [n, width] of parts [n]; see
        scorer.model.deepfm."""

    def request_half(self, side: SideWeights, part: NDArray[np.void]) -> RequestHalf:
        """``halves`` of one part (1,), for what takes a request; first layers as wide as there."""

    def exact_logits(self, weights: ExactWeights, hidden: Floats) -> Floats:
        """Logits [n] of first layers before their activation [n, towers · inputs]."""

    def exact_scores(
        self,
        side: SideWeights,
        parts: NDArray[np.void],
        half: RequestHalf,
        weights: ExactWeights,
        knots: Knots | None,
    ) -> NDArray[np.float64]:
        """Of the ads of parts [n] for a request: ``halves``, ``exact_logits`` and the FM term of
        both sides in one. Calibrated probabilities [n]; without ``knots``, logits [n]."""

    def probabilities(self, knots: Knots, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of logits [n]; what is not a number has the lowest."""

    def ranked_ads(self, ids: Texts, values: Texts, frame: TokenFrame, ads: AnsweredAds) -> bytes:
        """``ads`` of RankResponse in scorer.proto on the wire, each with its signed token.

        ``ids`` are numbered by slot, ``values`` by what ``ads.attributes`` say.
        """

    def parse_ads(self, keys: Sequence[bytes], values: Sequence[bytes], header: bytes) -> AdColumns:
        """Ads by the ids [n] and values [n] that Redis has of them; ``header`` [10] is that of the
        record's current version."""
