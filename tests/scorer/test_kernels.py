"""Every build that this processor can run against the plain one."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.calibration import FLOOR, Calibration
from scorer.kernels import (
    ExactWeights,
    Index,
    Kernels,
    Knots,
    Lists,
    RequestHalf,
    SideWeights,
    StoredHalves,
    TowerWeights,
    native,
)
from scorer.kernels.library import FOLDER
from scorer.kernels.plain import PlainKernels

PLAIN = PlainKernels()
BUILDS = [name for name, needed in native.BUILDS.items() if needed <= native.processor_flags()]


@pytest.fixture(scope="session", params=BUILDS)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Skips where deploy/setup.sh found no compiler."""
    if not (FOLDER / f"{request.param}.so").exists():
        pytest.skip(f"{request.param} was not built: no gcc")
    return native.NativeKernels(request.param)


def lists_of(random: np.random.Generator, blocks: int, groups: int) -> Lists:
    return Lists(
        codes=random.integers(0, 256, (blocks, groups, 16, 4), np.uint8),
        biases=random.standard_normal(16 * blocks).astype(np.float32),
        log_prices=random.standard_normal(16 * blocks).astype(np.float32),
        live=random.integers(0, 1 << 16, blocks, np.uint16),
    )


@pytest.mark.parametrize("groups", [1, 2, 5])
@pytest.mark.parametrize(
    ("wanted", "price_weight", "masked"),
    [(1, 0.0, False), (300, 0.0, True), (300, 1.0, False), (100_000, 0.5, True)],
)
def test_scan(
    kernels: Kernels, groups: int, wanted: int, price_weight: float, masked: bool
) -> None:
    random = np.random.default_rng(groups)
    lists = lists_of(random, 1_000, groups)
    starts = np.array([10, 0, 500, 500], np.int64)
    ends = np.array([300, 5, 500, 1_000], np.int64)
    query = random.integers(-127, 128, 4 * groups).astype(np.int8)
    allowed = random.integers(0, 1 << 16, 1_000, np.uint16) if masked else None
    arguments = (lists, starts, ends, query, 1e-4, price_weight, wanted, allowed)
    positions, scores = kernels.scan(*arguments)
    expected_positions, expected_scores = PLAIN.scan(*arguments)
    order, expected_order = np.argsort(-scores), np.argsort(-expected_scores)
    assert len(scores) == len(expected_scores) > 0
    assert scores[order] == pytest.approx(expected_scores[expected_order], abs=1e-4)
    assert len(np.setxor1d(positions, expected_positions)) <= len(positions) // 50


def test_scan_of_nothing(kernels: Kernels) -> None:
    lists = lists_of(np.random.default_rng(0), 4, 2)
    none = np.empty(0, np.int64)
    positions, _ = kernels.scan(lists, none, none, np.ones(8, np.int8), 1.0, 0.0, 5)
    assert positions.tolist() == []


@pytest.mark.parametrize(("lists", "probes"), [(0, 8), (40, 1), (40, 9), (40, 99)])
def test_search(kernels: Kernels, lists: int, probes: int) -> None:
    random = np.random.default_rng(lists + probes)
    dim, blocks = 7, 3 * lists + 4
    index = Index(
        rows=lists_of(random, blocks, 2),
        centroids=lists_of(random, -(-lists // 16), 2),
        steps=random.random(dim, np.float32) / 100,
        starts=3 * np.arange(lists + 1),
        open=np.array([16 * (blocks - 2)]),
        slots=random.permutation(16 * blocks).astype(np.int32),
    )
    query = random.standard_normal(dim + 2).astype(np.float32)
    # Centroids that only fill the last block stand for no list.
    index.centroids.live[-1:] &= (1 << lists % 16) - 1
    found, scores = kernels.search(index, query, 100, probes)
    expected, expected_scores = PLAIN.search(index, query, 100, probes)
    assert len(np.setxor1d(found, expected)) <= 2
    assert np.sort(scores) == pytest.approx(np.sort(expected_scores), abs=1e-3)


def tower_of(random: np.random.Generator, towers: int, widths: tuple[int, ...]) -> TowerWeights:
    outputs = towers * sum(widths[1:])
    return TowerWeights(
        towers=towers,
        widths=np.array(widths, np.int32),
        weights=random.integers(
            -127, 128, towers * sum(a * b for a, b in itertools.pairwise(widths))
        ).astype(np.int8),
        scales=np.full(outputs, 1e-4, np.float32),
        shifts=random.standard_normal(outputs).astype(np.float32),
        units=np.full(len(widths), 60.0, np.float32),
        last=random.standard_normal((towers, widths[-1])).astype(np.float32),
        constant=0.25,
    )


@pytest.mark.parametrize(("towers", "widths"), [(1, (64, 32)), (2, (96,)), (2, (128, 64, 32))])
def test_tower(kernels: Kernels, towers: int, widths: tuple[int, ...]) -> None:
    random = np.random.default_rng(len(widths))
    weights = tower_of(random, towers, widths)
    hidden = random.integers(-127, 128, (400, towers * widths[0])).astype(np.int8)
    steps = (0.01 + 0.01 * random.random(400)).astype(np.float32)
    slots = random.integers(0, 400, 77).astype(np.int32)
    request = random.standard_normal(towers * widths[0]).astype(np.float32)
    found = kernels.tower_logits(weights, hidden, steps, slots, request)
    expected = PLAIN.tower_logits(weights, hidden, steps, slots, request)
    # A half may be rounded up or down: a step of one activation.
    assert found == pytest.approx(expected, abs=0.05)
    assert np.abs(found - expected).mean() < 0.01


def test_tower_at_its_largest(kernels: Kernels) -> None:
    """Two products of 255 and 127 are more than 16 bits hold."""
    widths = (64, 32)
    weights = TowerWeights(
        towers=1,
        widths=np.array(widths, np.int32),
        weights=np.full(64 * 32, 127, np.int8),
        scales=np.full(32, 1e-4, np.float32),
        shifts=np.zeros(32, np.float32),
        units=np.full(2, 60.0, np.float32),
        last=np.ones((1, 32), np.float32),
        constant=0.0,
    )
    hidden, steps = np.full((1, 64), 127, np.int8), np.ones(1, np.float32)
    slots, request = np.zeros(1, np.int32), np.zeros(64, np.float32)
    found = kernels.tower_logits(weights, hidden, steps, slots, request)
    assert found == pytest.approx([32 * 64 * 255 * 127 * 1e-4], rel=1e-5)


def test_gathered_products(kernels: Kernels) -> None:
    random = np.random.default_rng(1)
    rows = random.standard_normal((100, 19)).astype(np.float32)
    slots = random.integers(0, 100, 50).astype(np.int32)
    query = random.standard_normal(19).astype(np.float32)
    assert kernels.gathered_products(rows, slots, query) == pytest.approx(
        rows[slots] @ query, abs=1e-4
    )


@pytest.mark.parametrize(("length", "count"), [(0, 21), (5, 1), (5, 40)])
def test_halves(kernels: Kernels, length: int, count: int) -> None:
    """Sequences of all lengths, an empty one included."""
    random = np.random.default_rng(count)
    side, parts = side_of(random, length, count)
    found, expected = kernels.halves(side, parts), PLAIN.halves(side, parts)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    one = kernels.request_half(side, parts[:1])
    assert len(one.sums) == side.dim
    assert one.all == pytest.approx(
        np.concatenate([theirs[:1].ravel() for theirs in expected]), rel=1e-4, abs=1e-4
    )


def side_of(
    random: np.random.Generator, length: int, count: int
) -> tuple[SideWeights, NDArray[np.void]]:
    """A side and ``count`` parts."""
    fields, numbers, dim, width = 3, 4, 5, 64
    parts = np.zeros(count, [("s", "<i4", (length,)), ("n", "<f4", (4,)), ("i", "<i4", (3,))])
    parts["s"] = random.integers(0, 200, (count, length))
    parts["s"][np.arange(length) >= np.arange(count)[:, None] % (length + 1)] = -1
    parts["n"] = random.random((count, numbers), np.float32)
    parts["i"] = random.integers(0, 200, (count, fields))
    inputs = dim * (fields + (length > 0)) + numbers
    side = SideWeights(
        table=random.standard_normal((200, 1 + dim)).astype(np.float32),
        fields=fields, ids_at=4 * (length + numbers), length=length, sequence_at=0,
        numbers=numbers, numbers_at=4 * length,
        number_weights=random.random(numbers, np.float32), mean=random.random(numbers, np.float32),
        std=0.5 + random.random(numbers, np.float32),
        first=random.random((2, inputs, 32), np.float32),
        start=random.random(width, np.float32), bias=-3.0,
    )  # fmt: skip
    return side, parts


@pytest.mark.parametrize(("towers", "widths"), [(1, (64, 32)), (2, (96,)), (2, (128, 96, 32))])
def test_exact_tower(kernels: Kernels, towers: int, widths: tuple[int, ...]) -> None:
    random = np.random.default_rng(len(widths))
    weights = exact_of(random, towers, widths, widths[0] - 3)
    hidden = random.standard_normal((29, towers * weights.inputs)).astype(np.float32)
    hidden[3] = np.nan
    assert kernels.exact_logits(weights, hidden) == pytest.approx(
        PLAIN.exact_logits(weights, hidden), rel=1e-4, abs=1e-3, nan_ok=True
    )


def exact_of(
    random: np.random.Generator, towers: int, widths: tuple[int, ...], inputs: int
) -> ExactWeights:
    size = towers * sum(a * b for a, b in itertools.pairwise(widths))
    return ExactWeights(
        towers=towers,
        inputs=inputs,
        widths=np.array(widths, np.int32),
        weights=random.standard_normal(size).astype(np.float32),
        shifts=random.standard_normal(towers * sum(widths[1:])).astype(np.float32),
        last=random.standard_normal((towers, widths[-1])).astype(np.float32),
        constant=0.25,
    )


@pytest.mark.parametrize(("towers", "inputs", "count"), [(1, 64, 1), (1, 61, 70), (2, 32, 33)])
def test_exact_scores(kernels: Kernels, towers: int, inputs: int, count: int) -> None:
    """With rows of the first layer that are padded, and ones that are not."""
    random = np.random.default_rng(count)
    side, parts = side_of(random, 0, count)
    weights = exact_of(random, towers, (inputs + -inputs % 32, 32), inputs)
    half = RequestHalf(random.standard_normal(5 + 1 + towers * inputs).astype(np.float32), 5)
    found = kernels.exact_scores(side, parts, half, weights, None)
    expected = PLAIN.exact_scores(side, parts, half, weights, None)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-3)
    knots = Knots(np.array([-20.0, 20.0]), np.array([-3.0, 1.0]), FLOOR)
    ctrs = kernels.exact_scores(side, parts, half, weights, knots)
    assert ctrs == pytest.approx(PLAIN.probabilities(knots, found), rel=1e-9)


@pytest.mark.parametrize(("by_price", "scalar"), [(False, -1.0), (True, -1.0), (True, -25.0)])
@pytest.mark.parametrize("with_tower", [False, True])
def test_finalists(kernels: Kernels, with_tower: bool, by_price: bool, scalar: float) -> None:
    """With the last scalar, probabilities are below the floor."""
    random = np.random.default_rng(3)
    ads, wanted, widths = 900, 16, (64, 32)
    stored = StoredHalves(
        vectors=random.standard_normal((ads, 8 + 2)).astype(np.float32),
        usual=random.standard_normal(ads).astype(np.float32),
        hidden=random.integers(-127, 128, (ads, widths[0])).astype(np.int8),
        steps=np.full(ads, 0.01, np.float32),
    )
    half = RequestHalf(random.standard_normal(8 + 1 + widths[0]).astype(np.float32), 8)
    half.all[8] = scalar
    slots = np.arange(0, ads, 3, dtype=np.int32)
    arguments = (
        stored, half, slots, wanted, tower_of(random, 1, widths) if with_tower else None, 80,
        Knots(np.array([-2.0, 1.0]), np.array([-3.0, 0.5]), FLOOR),
        random.integers(1, 1_000, ads) if by_price else None,
    )  # fmt: skip
    before = slots.copy()
    found, expected = kernels.finalists(*arguments), PLAIN.finalists(*arguments)
    assert (slots == before).all()
    assert len(np.unique(found)) == wanted
    # 8 bits may round the other way: the last ones may be others.
    assert len(np.intersect1d(found, expected)) >= wanted - 1


def test_finalists_among_equal_ads_and_damaged_ones(kernels: Kernels) -> None:
    vectors = np.ones((40, 4), np.float32)
    vectors[:10], vectors[20] = np.nan, 2.0
    stored = StoredHalves(
        vectors, np.zeros(40, np.float32), np.zeros((40, 32), np.int8), np.ones(40, np.float32)
    )
    half = RequestHalf(np.array([1, 1, *[0] * 33], np.float32), 2)
    knots = Knots(np.zeros(1), np.zeros(1), FLOOR)
    slots = np.arange(40, dtype=np.int32)
    found = kernels.finalists(stored, half, slots, 5, None, 5, knots, None)
    assert found.tolist() == [10, 11, 12, 13, 20]


def test_probabilities_are_those_of_the_calibration(kernels: Kernels) -> None:
    calibration = Calibration(
        method="isotonic", logits=(-3.0, -1.0, 0.0, 2.0), outputs=(-4.0, -4.0, 0.5, 1.0)
    )
    logits = np.concatenate(([-1e9, -40.0, -3.0, -1.0, 0.0, 2.0, 40.0], np.linspace(-5, 5, 101)))
    knots = Knots(np.array(calibration.logits), np.array(calibration.outputs), FLOOR)
    expected = calibration.probabilities(logits)
    for computed in (kernels, PLAIN):
        assert computed.probabilities(knots, logits) == pytest.approx(expected, rel=1e-12)
        unknown = computed.probabilities(knots, np.array([np.nan, np.inf, -np.inf, -30.0, 1e9]))
        assert unknown.tolist() == pytest.approx(unknown[[3, 4, 3, 3, 4]].tolist())
