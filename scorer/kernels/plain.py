"""The kernels in numpy: what serves where nothing was compiled, and what the others must equal."""

import itertools

import numpy as np
from numpy.typing import NDArray

from scorer.kernels.interface import BLOCK, Floats, Lists, Slots, TowerWeights


class PlainKernels:
    """Ten times slower than the native ones."""

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
                blocks = weights.weights[weight_at:end].reshape(inputs // 4, outputs, 4)
                matrix = blocks.transpose(0, 2, 1).reshape(inputs, outputs).astype(np.float32)
                columns = slice(output_at, output_at + outputs)
                values = active @ matrix * weights.scales[columns] + weights.shifts[columns]
                values = np.maximum(values, 0)
                active = _quantised(values, units[layer + 1])
                weight_at, output_at = end, output_at + outputs
            logits += values @ weights.last[tower]
        return logits / np.float32(weights.towers) + np.float32(weights.constant)

    def gathered_products(self, rows: Floats, slots: Slots, query: Floats) -> Floats:
        """See Kernels."""
        products: Floats = rows.take(slots, axis=0) @ query
        return products


def _quantised(values: Floats, units: np.float32) -> Floats:
    steps: Floats = np.clip(np.rint(values * units), 0, 255)
    return steps
