"""The tower in 8 bits, which chooses the ads that the exact tower then scores.

Activations are unsigned with one step a layer, weights signed with one step an output (Jacob et
al., CVPR'18, arXiv 1712.05877); steps follow from activations that were seen.
"""

import numpy as np
from numpy.typing import NDArray

from scorer.kernels import Kernels, RequestHalf, TowerWeights
from scorer.kernels.arguments import OUTPUTS, WIDEST_LAYER
from scorer.model.half_store import HalfStore
from scorer.model.tower_layers import Layer, in_turn, padded, padded_to

Floats = NDArray[np.float32]
_QUANTILE = 0.9999
#: Of what is served, this share must be among those that 8 bits choose.
LEAST_OVERLAP = 0.97


class QuantisedTower:
    """Approximate logits of ads by their slots."""

    def __init__(self, weights: TowerWeights, kernels: Kernels) -> None:
        self.weights = weights
        self._kernels = kernels

    @classmethod
    def of(cls, layers: list[Layer], units: Floats, kernels: Kernels) -> "QuantisedTower | None":
        """``units`` [layers] as ``units_of`` says. None if a layer is too wide for the kernels."""
        towers = len(layers[0].weights)
        widths = [padded(layer.weights.shape[1]) for layer in layers]
        if max(widths) > WIDEST_LAYER:
            return None
        weights, scales, shifts = [], [], []
        for index, layer in enumerate(layers[:-1]):
            steps = np.maximum(np.abs(layer.weights).max(axis=1) / 127, 1e-12)
            rounded = np.rint(layer.weights / steps[:, None])
            inputs, outputs = widths[index], widths[index + 1]
            weights.append(padded_to(rounded, inputs, outputs).astype(np.int8))
            scales.append(padded_to(steps[:, None], 1, outputs)[:, 0] / units[index])
            shifts.append(padded_to(layer.shifts[:, None], 1, outputs)[:, 0])
        last = padded_to(layers[-1].weights.transpose(0, 2, 1), 1, widths[-1])[:, 0]
        by_tower = [
            w[tower].reshape(-1, 4, w.shape[2] // OUTPUTS, OUTPUTS).transpose(2, 0, 3, 1).ravel()
            for tower in range(towers)
            for w in weights
        ]
        return cls(
            TowerWeights(
                towers=towers,
                widths=np.array(widths, np.int32),
                weights=np.concatenate((np.empty(0, np.int8), *by_tower)),
                scales=in_turn(scales, towers),
                shifts=in_turn(shifts, towers),
                units=units.astype(np.float32),
                last=np.ascontiguousarray(last, np.float32),
                constant=float(layers[-1].shifts.mean()),
            ),
            kernels,
        )

    def logits(self, store: HalfStore, slots: NDArray[np.int32], request: RequestHalf) -> Floats:
        """Logits [n] of the ads in ``slots`` [n] for a request."""
        return self._kernels.tower_logits(
            self.weights,
            store.hidden,
            store.steps,
            np.ascontiguousarray(slots),  # kernels read it by its address
            store.of_request(request).hidden,
        )


def overlap(exact: Floats, approximate: Floats, served: int, chosen: int) -> float:
    """Share of the ``served`` best by exact logits [n] among the ``chosen`` by approximate."""
    best = np.argsort(-exact)[:served]
    return float(np.isin(best, np.argsort(-approximate)[:chosen]).mean())


def units_of(layers: list[Layer], seen: Floats) -> Floats:
    """Steps in 1 of what each layer reads [layers], so that nearly all activations fit.

    ``seen`` [n, towers · width] are first layers before activation, as they come.
    """
    towers = len(layers[0].weights)
    values = np.maximum(seen.reshape(len(seen), towers, -1).transpose(1, 0, 2), 0)
    units = [_units(values)]
    for layer in layers[:-1]:
        values = np.maximum(values @ layer.weights + layer.shifts[:, None], 0)
        units.append(_units(values))
    return np.array(units, np.float32)


def _units(values: Floats) -> float:
    largest = float(np.quantile(values, _QUANTILE)) if values.size else 0.0
    return 255 / max(largest, 1e-6)
