"""History that a model is trained from: samples as they were served, with their final labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class History:
    """Samples [n] of ``layout.dtype`` in time order with final labels and weights, float32 [n]."""

    samples: NDArray[np.void]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, end: int) -> "History":
        """Rows [start, end)."""
        return History(self.samples[start:end], self.labels[start:end], self.weights[start:end])
