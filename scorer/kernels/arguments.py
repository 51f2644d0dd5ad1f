"""What the kernels take: arrays that lie in memory as C reads them, and their addresses."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Slots = NDArray[np.int32]

#: Rows of a block; a list begins with a block.
BLOCK = 16
#: Outputs of a layer that are computed together; widths are multiples of it.
OUTPUTS = 32
#: Layers wider than this do not fit the buffers of tower.c.
WIDEST_LAYER = 1_024


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
    def packed(self) -> bytes:
        """For C: Lists in kernels.h."""
        arrays = (self.codes, self.biases, self.log_prices, self.live)
        return struct.pack("4Pq", *_addresses(*arrays), self.codes.shape[1])


@dataclass(frozen=True)
class Index:
    """Inverted lists, see scorer.model.retrieval_index: ``centroids`` are rows that stand for
    lists, which begin at the blocks ``starts`` [lists + 1]; behind them is an open list, with rows
    until ``open[0]``. ``slots`` [16 · blocks] are the ads; a code is a number in ``steps`` [dim].
    """

    rows: Lists
    centroids: Lists
    steps: Floats
    starts: NDArray[np.int64]
    open: NDArray[np.int64]
    slots: Slots

    @cached_property
    def packed(self) -> bytes:
        """For C: Index in kernels.h."""
        arrays = (self.steps, self.starts, self.open, self.slots)
        blocks = len(self.rows.live), len(self.centroids.live)
        sizes = (len(self.starts) - 1, *blocks, len(self.steps))
        lists = self.rows.packed + self.centroids.packed
        return lists + struct.pack("4P4q", *_addresses(*arrays), *sizes)


@dataclass(frozen=True)
class Columns:
    """``arrays`` [capacity] of ads, and ``table`` [names, capacity], which are read together. The
    first array has numbers that are odd while an ad is written, and others afterwards."""

    arrays: Sequence[NDArray[Any]]
    table: NDArray[np.int32]

    @cached_property
    def packed(self) -> bytes:
        """For C: Column in kernels.h, of each."""
        arrays = (*self.arrays, *self.table)
        pairs = zip(_addresses(*arrays), (array.itemsize for array in arrays), strict=True)
        return b"".join(struct.pack("Pq", *pair) for pair in pairs)


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
    def packed(self) -> bytes:
        """For C: Tower in kernels.h."""
        arrays = (self.widths, self.weights, self.scales, self.shifts, self.units, self.last)
        layers = len(self.widths) - 1
        return struct.pack("6P2if", *_addresses(*arrays), self.towers, layers, self.constant)


@dataclass(frozen=True)
class StoredHalves:
    """What is kept of each ad [..], see scorer.model.half_store: ``vectors`` [.., dim + 2],
    ``usual`` [..], ``hidden`` [.., towers · width] in ``steps`` [..]."""

    vectors: Floats
    usual: Floats
    hidden: NDArray[np.int8]
    steps: Floats

    @cached_property
    def packed(self) -> bytes:
        """For C: Stored in kernels.h."""
        arrays = (self.vectors, self.usual, self.hidden, self.steps)
        return struct.pack("4P", *_addresses(*arrays))


@dataclass(frozen=True)
class Knots:
    """A calibration, see schemas.calibration: ``logits`` [k] and ``outputs`` [k]; probabilities
    stay ``floor`` away from 0 and 1."""

    logits: NDArray[np.float64]
    outputs: NDArray[np.float64]
    floor: float

    @cached_property
    def packed(self) -> bytes:
        """For C: Knots in kernels.h."""
        addresses = _addresses(self.logits, self.outputs)
        return struct.pack("2Pqd", *addresses, len(self.logits), self.floor)


@dataclass(frozen=True)
class SideWeights:
    """Of one side, request or ad: ``fields`` rows of the ``table`` [.., 1 + dim], the mean of a
    sequence of ``length`` rows if that is not 0, ``numbers``; where they stand in a part, in bytes.

    ``number_weights``, ``mean``, ``std`` [numbers]; ``first`` [width / 32, inputs, 32] and
    ``start`` [width] are of the first layer, width up to a multiple of 32; ``bias`` is added to
    scalars.
    """

    table: Floats
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
    def packed(self) -> bytes:
        """For C: Side in kernels.h."""
        arrays = (self.table, self.number_weights, self.mean, self.std, self.first, self.start)
        places = (self.ids_at, self.fields, self.sequence_at, self.length, self.numbers_at)
        rest = (self.numbers, len(self.start), self.bias)
        return struct.pack("6P8if", *_addresses(*arrays), self.dim, *places, *rest)

    @cached_property
    def dim(self) -> int:
        """Of an embedding."""
        dim: int = self.table.shape[1] - 1
        return dim


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
    def packed(self) -> bytes:
        """For C: ExactTower in kernels.h."""
        addresses = _addresses(self.widths, self.weights, self.shifts, self.last)
        sizes = (self.inputs, self.towers, len(self.widths) - 1)
        return struct.pack("4P3if", *addresses, *sizes, self.constant)


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
    looked at one by one. ``items`` [m, 3] are their attributes: the ad, and the places of name and
    value in ``texts``."""

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
