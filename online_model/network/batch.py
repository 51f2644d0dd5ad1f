"""Encoded samples as tensors: the table rows that each field reads, and standardised numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schemas.crosses import cross_ids
from schemas.features import FeatureSpec
from schemas.layout import Layout, raw_numbers


@dataclass(frozen=True, slots=True)
class Batch:
    """n samples. ``ids`` int64 [n, singles], one row for each field but the sequence.

    ``sequence`` int64 [n, L], −1 padded; ``numbers`` float32 [n, numbers], standardised.
    """

    ids: Tensor
    sequence: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, end: int) -> "Batch":
        """Samples [start, end)."""
        return Batch(self.ids[start:end], self.sequence[start:end], self.numbers[start:end])


@dataclass(frozen=True, slots=True)
class Batcher:
    """Makes batches of samples; with ``crosses``, their rows are further fields."""

    spec: FeatureSpec
    layout: Layout
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    crosses: bool

    def batch(self, samples: NDArray[np.void]) -> Batch:
        """Of samples [n] of ``layout.dtype``."""
        ids = [samples["request_ids"], samples["ad_ids"]]
        if self.crosses:
            ids.append(cross_ids(self.spec, self.layout, samples))
        numbers = (raw_numbers(samples) - self.mean) / self.std
        return Batch(
            torch.from_numpy(np.concatenate(ids, axis=1).astype(np.int64)),
            torch.from_numpy(samples["sequence"].astype(np.int64)),
            torch.from_numpy(numbers),
        )


def standardisation(
    samples: NDArray[np.void],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation [numbers] over samples [n]; 1 where a number never varies."""
    numbers = raw_numbers(samples).astype(np.float64)
    mean, std = numbers.mean(axis=0), numbers.std(axis=0)
    return mean.astype(np.float32), np.where(std > 1e-6, std, 1.0).astype(np.float32)
