"""DeepFM split into a request half and an ad half (Guo et al., IJCAI'17, arXiv 1703.04247).

The FM term of two sides is an inner product of their embedding sums plus a part of each, and the
tower's first layer is linear: so what depends on one side only is computed once for that side.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.calibration import FLOOR, Calibration
from schemas.layout import Layout
from schemas.model_arrays import ModelArrays
from scorer.kernels import Knots, RequestHalf, SideWeights, best_kernels
from scorer.model.tower import Tower
from scorer.model.tower_layers import by_outputs, padded, padded_to
from scorer.model.usual_request import usual_first_layer

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Halves:
    """Of n ads: ``fm_sums`` [n, dim], ``scalars`` [n], ``hidden`` [n, h1]."""

    fm_sums: Floats
    scalars: Floats
    hidden: Floats


class DeepFm:
    """One version of the model. ``table``, of ``arrays``, changes in place as row deltas come."""

    def __init__(
        self,
        layout: Layout,
        arrays: ModelArrays,
        tower: Tower,
        calibration: Calibration,
        nobody: NDArray[np.void],
    ) -> None:
        """``nobody`` (1,) is the request part of a user of whom nothing is known."""
        self.arrays = arrays
        self.table = arrays.table
        self.dim = arrays.table.shape[1] - 1
        self.hidden = len(arrays.b1)
        self._package_calibration = calibration
        self.recalibrate(0.0)
        self.tower = tower
        self._kernels = best_kernels()
        self._request = _request_side(layout, arrays)
        self._ad = _ad_side(layout, arrays)
        self._layout = layout
        self._nobody = nobody

    def request_half(self, part: NDArray[np.void]) -> RequestHalf:
        """The request part (1,) -> its half, with the bias and b1."""
        half = self._kernels.request_half(self._request, part)
        size = self.dim + 1 + self.hidden
        return half if len(half.all) == size else RequestHalf(half.all[:size], self.dim)

    def ad_halves(self, parts: NDArray[np.void]) -> Halves:
        """Ad parts [n] -> halves of n."""
        sums, scalars, hidden = self._kernels.halves(self._ad, parts)
        return Halves(sums, scalars, hidden[:, : self.hidden])

    def usual_tower(self, ads: Halves) -> Floats:
        """What the tower adds for each of n ads and a request in the middle of all [n].

        For another one it is about the same, as an ad moves it more than who sees the ad. So
        retrieval adds this: it has no time for the tower itself.
        """
        return self.tower.logits(ads.hidden + self._usual_request)

    @cached_property
    def _usual_request(self) -> Floats:
        """Once, as of the first ads: those of one model are to be comparable."""
        return usual_first_layer(self._layout, self.arrays, self._nobody)

    def recalibrate(self, shift: float) -> None:
        """From now on the package's calibration is shifted so, as the learner says."""
        self.calibration = self._package_calibration.shifted(shift)
        outputs = np.array(self.calibration.outputs, np.float64)
        self.knots = Knots(np.array(self.calibration.logits, np.float64), outputs, FLOOR)

    def logits(self, half: RequestHalf, parts: NDArray[np.void]) -> NDArray[np.floating[Any]]:
        """Scores [n] of the ads of parts [n] for a request's half, as logits."""
        weights = self.tower.weights
        if weights is not None:
            return self._kernels.exact_scores(self._ad, parts, half, weights, None)
        ads = self.ad_halves(parts)
        logits: Floats = ads.fm_sums @ half.sums + ads.scalars + half.scalar
        return logits + self.tower.logits(ads.hidden + half.hidden)

    def ctrs(self, half: RequestHalf, parts: NDArray[np.void]) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of the ads of parts [n] for a request's half."""
        weights = self.tower.weights
        if weights is None:
            return self.probabilities(self.logits(half, parts))
        return self._kernels.exact_scores(self._ad, parts, half, weights, self.knots)

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Logits [n] -> calibrated probabilities [n]; the lowest for what is not a number."""
        return self._kernels.probabilities(self.knots, logits.astype(np.float64))


def _request_side(layout: Layout, arrays: ModelArrays) -> SideWeights:
    fields, numbers = layout.request_fields, layout.request_number_count
    return _side(
        arrays, layout.request_dtype, "request", slice(0, fields), layout.fields, slice(0, numbers),
        arrays.b1, arrays.bias,
    )  # fmt: skip


def _ad_side(layout: Layout, arrays: ModelArrays) -> SideWeights:
    fields, numbers = slice(layout.request_fields, None), slice(layout.request_number_count, None)
    return _side(
        arrays, layout.ad_dtype, "ad", fields, layout.fields, numbers, np.zeros_like(arrays.b1), 0.0
    )


def _side(
    arrays: ModelArrays, dtype: np.dtype[Any], name: str, own_fields: slice, all_fields: int,
    own_numbers: slice, b1: Floats, bias: float,
) -> SideWeights:  # fmt: skip
    """Of one side; ``own_fields`` and ``own_numbers`` are its places among those of both."""
    dim, width = arrays.table.shape[1] - 1, len(b1)
    by_field = arrays.w1[: all_fields * dim].reshape(all_fields, dim, width)[own_fields]
    by_number = arrays.w1[all_fields * dim :][own_numbers]
    first = np.concatenate((by_field.reshape(-1, width), by_number))
    places: dict[str, Any] = dict(dtype.fields or {})
    length = dtype["sequence"].shape[0] if "sequence" in places else 0
    return SideWeights(
        table=arrays.table,
        fields=dtype[f"{name}_ids"].shape[0],
        ids_at=places[f"{name}_ids"][1],
        length=length,
        sequence_at=places["sequence"][1] if length else 0,
        numbers=dtype[f"{name}_numbers"].shape[0],
        numbers_at=places[f"{name}_numbers"][1],
        number_weights=np.ascontiguousarray(arrays.number_weights[own_numbers], np.float32),
        mean=np.ascontiguousarray(arrays.mean[own_numbers], np.float32),
        std=np.ascontiguousarray(arrays.std[own_numbers], np.float32),
        first=by_outputs(padded_to(first[np.newaxis], len(first), padded(width))[0]).astype(
            np.float32
        ),
        start=padded_to(b1.reshape(1, 1, -1), 1, padded(width)).ravel().astype(np.float32),
        bias=float(bias),
    )
