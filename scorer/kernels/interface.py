"""What the kernels compute, whoever computes it.

The native ones release the interpreter's lock while they work, unless the process has one core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Slots = NDArray[np.int32]

#: Rows of a block; a list begins with a block.
BLOCK = 16
#: Outputs of a layer that are computed together; widths are multiples of it.
OUTPUTS = 32


@dataclass(frozen=True)
class Lists:
    """Quantised rows in blocks of 16: ``codes`` [blocks, groups, 16, 4], value + 128.

    ``biases`` and ``log_prices`` [16 · blocks] are added to a row's product; a row is searched
    while its bit in ``live`` [blocks] is set.
    """

    codes: NDArray[np.uint8]
    biases: Floats
    log_prices: Floats
    live: NDArray[np.uint16]

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of the arrays in order: asking an array takes a microsecond."""
        return _addresses(self.codes, self.biases, self.log_prices, self.live)


@dataclass(frozen=True)
class TowerWeights:
    """Layers of ``towers`` equal towers in 8 bits; widths are multiples of 32, the last hidden's
    is ``widths[-1]``.

    ``weights`` are [outputs / 32, inputs / 4, 32, 4] of each layer of each tower in turn;
    ``scales`` and ``shifts`` one for each output; ``units`` [layers + 1] are activations' steps
    in 1; ``last`` [towers, widths[-1]] and ``constant`` make the logit.
    """

    towers: int
    widths: NDArray[np.int32]
    weights: NDArray[np.int8]
    scales: Floats
    shifts: Floats
    units: Floats
    last: Floats
    constant: float

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of the arrays in order."""
        return _addresses(
            self.widths, self.weights, self.scales, self.shifts, self.units, self.last
        )


@dataclass(frozen=True)
class SideWeights:
    """Of one side, request or ad: ``fields`` rows of the table, the mean of a sequence of
    ``length`` rows if that is not 0, ``numbers``; where they stand in a part, in bytes.

    ``number_weights``, ``mean``, ``std`` [numbers]; ``first`` [width / 32, inputs, 32] and
    ``start`` [width] are of the first layer, width up to a multiple of 32; ``bias`` is added to
    scalars.
    """

    fields: int
    ids_at: int
    length: int
    sequence_at: int
    numbers: int
    numbers_at: int
    number_weights: Floats
    mean: Floats
    std: Floats
    first: Floats
    start: Floats
    bias: float

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of the arrays in order."""
        return _addresses(self.number_weights, self.mean, self.std, self.first, self.start)


@dataclass(frozen=True)
class ExactWeights:
    """Layers of ``towers`` equal towers in float32; ``widths`` are multiples of 32, ``inputs`` is
    the first without its padding.

    ``weights`` [outputs / 32, inputs, 32] and ``shifts`` of each layer of each tower in turn;
    ``last`` [towers, widths[-1]] and ``constant`` make the logit.
    """

    towers: int
    inputs: int
    widths: NDArray[np.int32]
    weights: Floats
    shifts: Floats
    last: Floats
    constant: float

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of the arrays in order."""
        return _addresses(self.widths, self.weights, self.shifts, self.last)


@dataclass(frozen=True)
class Texts:
    """Strings by number: ``lengths`` bytes of ``heap`` from ``offsets`` on, see StringTable."""

    offsets: NDArray[np.int64]
    lengths: NDArray[np.int32]
    heap: NDArray[np.uint8]

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of the arrays in order."""
        return _addresses(self.offsets, self.lengths, self.heap)

    def of(self, number: int) -> bytes:
        """One of them."""
        offset = int(self.offsets[number])
        return self.heap[offset : offset + int(self.lengths[number])].tobytes()


#: Who proposed an ad: ``AnsweredAds.sources`` are places in this.
SOURCES = ("retrieval", "popularity", "recent", "exploration")
#: Where a piece of a counter's key comes from, if not from a column of attributes.
CONSTANT, AD_ID, END = -1, -2, -3


@dataclass(frozen=True, slots=True)
class TokenFrame:
    """What the tokens of one answer have in common, as bytes of ``Served`` in Avro.

    A token is ``head``, the ad's id, ``middle``, probability and propensity, ``after``, the keys of
    counters, ``request_part`` and the ad's part; it is signed with ``key`` [64], which is padded
    with zeros. ``pieces`` are pairs of int32, (source, size of a constant), and (END, 0) after each
    key: a constant comes from ``constants``, the next bytes of it each time.
    """

    head: bytes
    middle: bytes
    after: bytes
    pieces: bytes
    constants: bytes
    request_part: bytes
    key_id: int
    key: bytes


@dataclass(frozen=True, slots=True)
class AnsweredAds:
    """The ads of an answer [k], best first.

    ``attributes`` [k, names] are numbers of values plus 1, 0 for none; ``parts`` the encoded ads;
    ``expected_values`` in micros of currency.
    """

    slots: Slots
    attributes: NDArray[np.int32]
    parts: NDArray[np.void]
    ctrs: NDArray[np.float64]
    propensities: NDArray[np.float64]
    expected_values: NDArray[np.float64]
    sources: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class AdColumns:
    """What is said of n ads; ``read`` [n] are those that were understood, the others are to be
    looked at one by one.

    ``items`` [m, 3] are their attributes: the ad, and the places of name and value in ``texts``.
    """

    read: NDArray[np.bool_]
    active: NDArray[np.bool_]
    versions: NDArray[np.int64]
    prices: NDArray[np.int64]
    items: NDArray[np.int32]
    texts: Sequence[bytes]


def _addresses(*arrays: NDArray[Any]) -> tuple[int, ...]:
    if not all(array.flags.c_contiguous for array in arrays):
        raise ValueError("kernels take contiguous arrays only")
    return tuple(array.ctypes.data for array in arrays)


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
        """The best ``wanted`` rows of the blocks [starts, ends), in no order, and their scores.

        A row's score is ``scale`` · (codes · query) + bias + ``price_weight`` · log price; with
        ``allowed`` [blocks] only rows with a bit there count.
        """

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

    def halves(
        self, side: SideWeights, table: Floats, parts: NDArray[np.void]
    ) -> tuple[Floats, Floats, Floats]:
        """FM sums [n, dim], scalars [n] and first layers [n, width] of parts [n].

        ``table`` is [.., 1 + dim]; see scorer.deepfm.
        """

    def exact_logits(self, weights: ExactWeights, hidden: Floats) -> Floats:
        """Logits [n] of first layers before their activation [n, towers · inputs]."""

    def ranked_ads(self, ids: Texts, values: Texts, frame: TokenFrame, ads: AnsweredAds) -> bytes:
        """``ads`` of RankResponse in scorer.proto on the wire, each with its signed token.

        ``ids`` are numbered by slot, ``values`` by what ``ads.attributes`` say.
        """

    def parse_ads(self, keys: Sequence[bytes], values: Sequence[bytes], header: bytes) -> AdColumns:
        """Ads by the ids [n] and values [n] that Redis has of them; ``header`` [10] is that of the
        record's current version."""
