"""What is kept of the rows that validate a retrain: enough to calibrate and to test with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bootstrap.lake_stream import Block
from online_model.quality import Quality, quality


@dataclass(frozen=True, slots=True)
class Validation:
    """Rows [n] in order of label time as predicted before they were learnt, not calibrated."""

    label_ms: NDArray[np.int64]
    logits: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]

    def true_weights(self, keep: float) -> NDArray[np.float32]:
        """With negatives that count for those of which the share ``keep`` was left."""
        stands_for = np.where(self.labels > 0.5, 1.0, 1.0 / keep)
        weights: NDArray[np.float32] = (self.weights * stands_for).astype(np.float32)
        return weights


@dataclass(frozen=True, slots=True)
class Tested:
    """Rows [n] of the later validation: probabilities from before they were learnt, calibrated on
    the earlier validation, and weights that undo all down-sampling."""

    samples: NDArray[np.void]
    label_ms: NDArray[np.int64]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    probabilities: NDArray[np.float64]

    def after(self, ms: int) -> "Tested":
        """Rows whose label became known later than a time."""
        new = self.label_ms > ms
        return Tested(
            self.samples[new],
            self.label_ms[new],
            self.labels[new],
            self.weights[new],
            self.probabilities[new],
        )

    def quality(self) -> Quality:
        """Of the model that was retrained."""
        return quality(self.labels, self.probabilities, self.weights)


def thinned(block: Block, every: int, of_those: int) -> Block:
    """What is kept of a validation block: each ``every``-th row, and fewer of the samples."""
    kept = slice(None, None, every)
    return replace(
        block,
        samples=block.samples[:: every * of_those].copy(),
        labels=block.labels[kept].copy(),
        weights=block.weights[kept].copy(),
        label_ms=block.label_ms[kept].copy(),
    )


def validation_of(
    blocks: Sequence[Block], logits: Sequence[NDArray[np.float32]], stride: int
) -> Validation:
    """Every ``stride``-th row that was kept of each block."""

    def every(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([part[::stride] for part in parts])

    if not blocks:
        nothing = np.zeros(0, np.float32)
        return Validation(np.zeros(0, np.int64), nothing, nothing, nothing)
    return Validation(
        label_ms=every([block.label_ms for block in blocks]),
        logits=every(logits),
        labels=every([block.labels for block in blocks]),
        weights=every([block.weights for block in blocks]),
    )


def time_order(parts: Sequence[Validation]) -> NDArray[np.intp]:
    """Of the rows of all parts, one part after the other."""
    return np.argsort(np.concatenate([part.label_ms for part in parts]), kind="stable")


def joined(parts: Sequence[Validation]) -> Validation:
    """In order of label time."""
    order = time_order(parts)
    return Validation(
        *(
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("label_ms", "logits", "labels", "weights")
        )
    )
