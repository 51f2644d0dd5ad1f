"""The kernels in numpy: what serves where nothing was compiled, and what the others must equal."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.arguments import (
    BLOCK,
    OUTPUTS,
    Columns,
    ExactWeights,
    Floats,
    Index,
    Knots,
    Lists,
    SideWeights,
    Slots,
    StoredHalves,
    TowerWeights,
)
from scorer.kernels.plain_ads import PlainAds
from scorer.kernels.request_half import RequestHalf

#: Logits beyond are no different from it.
_LARGEST = 30.0


class PlainKernels(PlainAds):
    """By far slower than the native ones."""

    name = "numpy"

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
        """See Kernels."""
        ranges = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
        blocks = np.concatenate((np.empty(0, np.int64), *ranges))
        masks = lists.live[blocks]
        if allowed is not None:
            masks = masks & allowed[blocks]
        blocks, masks = blocks[masks != 0], masks[masks != 0]
        codes = lists.codes[blocks].astype(np.int32) - 128
        groups = query.astype(np.int32).reshape(-1, 4)
        products = np.einsum("bgrd,gd->br", codes, groups)
        positions = (blocks[:, None] * BLOCK + np.arange(BLOCK)).astype(np.int32)
        scores = products * np.float32(scale) + lists.biases[positions]
        if price_weight:
            scores += np.float32(price_weight) * lists.log_prices[positions]
        searched = (masks[:, None] >> np.arange(BLOCK) & 1).astype(np.bool_)
        positions, scores = positions[searched], scores[searched]
        if len(positions) > wanted:
            best = np.argpartition(scores, len(scores) - wanted)[len(scores) - wanted :]
            positions, scores = positions[best], scores[best]
        return positions, scores

    def search(
        self,
        index: Index,
        query: Floats,
        wanted: int,
        probes: int,
        allowed: NDArray[np.uint16] | None = None,
    ) -> tuple[Slots, Floats]:
        """See Kernels."""
        codes = np.zeros(4 * index.rows.codes.shape[1], np.int8)
        stepped = query[:-2] * index.steps
        scale = max(float(np.abs(stepped).max(initial=0.0)), 1e-12) / 127
        codes[: len(stepped)] = np.rint(stepped / scale)
        price_weight, lists = float(query[-1]), len(index.starts) - 1
        starts, ends = index.starts[-1:], index.open // BLOCK + 1
        if lists:
            all_blocks = np.zeros(1, np.int64), np.array([len(index.centroids.live)], np.int64)
            nearest = self.scan(
                index.centroids, *all_blocks, codes, scale, price_weight, min(probes, lists)
            )[0]
            starts = np.concatenate((index.starts[nearest], starts))
            ends = np.concatenate((index.starts[nearest + 1], ends))
        ends = np.minimum(ends, len(index.rows.live))
        positions, scores = self.scan(
            index.rows, starts, ends, codes, scale, price_weight, wanted, allowed
        )
        return index.slots.take(positions), scores

    def read_rows(
        self, columns: Columns, names: int, slots: Slots
    ) -> tuple[Sequence[NDArray[Any]], NDArray[np.int32]] | None:
        """See Kernels."""
        rows = [array.take(slots) for array in columns.arrays]
        table = columns.table[:names, slots]
        changed = rows[0] != columns.arrays[0].take(slots)
        return None if (changed | (rows[0] & 1)).any() else (rows, table)

    def tower_logits(
        self,
        weights: TowerWeights,
        hidden: NDArray[np.int8],
        steps: Floats,
        slots: Slots,
        request: Floats,
    ) -> Floats:
        """See Kernels."""
        widths, units = weights.widths, weights.units
        sums = (hidden[slots] * steps[slots, None] + request).reshape(
            len(slots), weights.towers, widths[0]
        )
        logits = np.zeros(len(slots), np.float32)
        weight_at = output_at = 0
        for tower in range(weights.towers):
            active = _quantised(sums[:, tower], units[0])
            values = active / units[0]
            for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
                end = weight_at + inputs * outputs
                blocks = weights.weights[weight_at:end].reshape(-1, inputs // 4, OUTPUTS, 4)
                matrix = blocks.transpose(1, 3, 0, 2).reshape(inputs, outputs).astype(np.float32)
                columns = slice(output_at, output_at + outputs)
                values = active @ matrix * weights.scales[columns] + weights.shifts[columns]
                values = np.maximum(values, 0)
                active = _quantised(values, units[layer + 1])
                weight_at, output_at = end, output_at + outputs
            logits += values @ weights.last[tower]
        return logits / np.float32(weights.towers) + np.float32(weights.constant)

    def gathered_products(self, rows: Floats, slots: Slots, query: Floats) -> Floats:
        """See Kernels."""
        products: Floats = rows.take(slots, axis=0)[:, : len(query)] @ query
        return products

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
        """See Kernels."""
        no_floor = replace(knots, floor=0.0)

        def best(logits: Floats, count: int) -> NDArray[np.intp]:
            worths: NDArray[np.floating[Any]] = logits
            if prices is not None:
                worths = self.probabilities(no_floor, logits.astype(np.float64))
                worths = worths * prices.take(slots)
            return np.sort(np.argsort(-worths)[:count])

        query = np.append(half.sums, np.float32(1))
        logits = self.gathered_products(stored.vectors, slots, query) + half.scalar
        if tower is not None:
            kept = best(logits, shortlist)
            slots, logits = slots.take(kept), logits.take(kept)
            logits += self.tower_logits(tower, stored.hidden, stored.steps, slots, half.hidden)
            logits -= stored.usual.take(slots)
        return slots.take(best(logits, wanted))

    def halves(self, side: SideWeights, parts: NDArray[np.void]) -> tuple[Floats, Floats, Floats]:
        """See Kernels."""
        table = side.table
        ids, numbers, *sequence = _columns(side, np.ascontiguousarray(parts))
        rows = table.take(ids, axis=0)
        for places in sequence:
            known = (places >= 0)[:, :, None]
            pooled = (table.take(np.maximum(places, 0), axis=0) * known).sum(axis=1)
            pooled /= np.maximum(known.sum(axis=1), 1).astype(np.float32)
            rows = np.concatenate((rows, pooled[:, None]), axis=1)
        embeddings = rows[:, :, 1:]
        sums = embeddings.sum(axis=1)
        standardised = (numbers - side.mean) / side.std
        scalars = rows[:, :, 0].sum(axis=1) + standardised @ side.number_weights
        scalars += 0.5 * ((sums**2).sum(axis=1) - (embeddings**2).sum(axis=(1, 2)))
        count, dim = embeddings.shape[1:]
        inputs = np.concatenate((embeddings.reshape(-1, count * dim), standardised), axis=1)
        return sums, scalars + np.float32(side.bias), inputs @ _unpacked(side.first) + side.start

    def request_half(self, side: SideWeights, part: NDArray[np.void]) -> RequestHalf:
        """See Kernels."""
        sums, scalars, hidden = self.halves(side, part)
        return RequestHalf(np.concatenate((sums[0], scalars, hidden[0])), side.dim)

    def exact_scores(
        self,
        side: SideWeights,
        parts: NDArray[np.void],
        half: RequestHalf,
        weights: ExactWeights,
        knots: Knots | None,
    ) -> NDArray[np.float64]:
        """See Kernels."""
        sums, scalars, hidden = self.halves(side, parts)
        used = hidden[:, : weights.towers * weights.inputs] + half.hidden
        logits = sums @ half.sums + scalars + half.scalar + self.exact_logits(weights, used)
        return self.probabilities(knots, logits) if knots else logits.astype(np.float64)

    def probabilities(self, knots: Knots, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Kernels."""
        logits = np.nan_to_num(logits, nan=-_LARGEST, posinf=_LARGEST, neginf=-_LARGEST)
        mapped = np.interp(logits, knots.logits, knots.outputs)
        mapped += np.minimum(logits - knots.logits[0], 0.0)
        mapped += np.maximum(logits - knots.logits[-1], 0.0)
        found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(mapped, -_LARGEST, _LARGEST)))
        return np.clip(found, knots.floor, 1.0 - knots.floor)

    def exact_logits(self, weights: ExactWeights, hidden: Floats) -> Floats:
        """See Kernels."""
        sums = hidden.reshape(len(hidden), weights.towers, weights.inputs)
        logits = np.zeros(len(hidden), np.float32)
        weight_at = shift_at = 0
        for tower in range(weights.towers):
            values = np.zeros((len(hidden), weights.widths[0]), np.float32)
            values[:, : weights.inputs] = np.maximum(sums[:, tower], 0)
            for inputs, outputs in itertools.pairwise(weights.widths):
                end = weight_at + inputs * outputs
                matrix = _unpacked(weights.weights[weight_at:end].reshape(-1, inputs, OUTPUTS))
                shifts = weights.shifts[shift_at : shift_at + outputs]
                values = np.maximum(values @ matrix + shifts, 0)
                weight_at, shift_at = end, shift_at + outputs
            logits += values @ weights.last[tower]
        return logits / np.float32(weights.towers) + np.float32(weights.constant)


def _unpacked(blocks: Floats) -> Floats:
    """[outputs / 32, inputs, 32] -> [inputs, outputs]."""
    return blocks.transpose(1, 0, 2).reshape(blocks.shape[1], -1)


def _columns(side: SideWeights, parts: NDArray[np.void]) -> list[NDArray[Any]]:
    """Ids [n, fields], numbers [n, numbers], and if there is a sequence, that [n, length]."""
    words = parts.view(np.int32).reshape(-1, parts.itemsize // 4)

    def columns(at: int, count: int) -> NDArray[np.int32]:
        return np.ascontiguousarray(words[:, at // 4 : at // 4 + count])

    found: list[NDArray[Any]] = [
        columns(side.ids_at, side.fields),
        columns(side.numbers_at, side.numbers).view(np.float32),
    ]
    return [*found, columns(side.sequence_at, side.length)] if side.length else found


def _quantised(values: Floats, units: np.float32) -> Floats:
    steps: Floats = np.clip(np.rint(values * units), 0, 255)
    return steps
