"""What a model knows of a request before it looks at ads."""

from dataclasses import dataclass

import numpy as np

from scorer.kernels.arguments import Floats


@dataclass(frozen=True, slots=True)
class RequestHalf:
    """Of one request: in ``all`` its ``sums`` [dim], its scalar, ``hidden`` [towers · width]."""

    all: Floats
    dim: int

    @property
    def sums(self) -> Floats:
        """Of embeddings."""
        return self.all[: self.dim]

    @property
    def scalar(self) -> np.float32:
        """Of what has no ad in it."""
        scalar: np.float32 = self.all[self.dim]
        return scalar

    @property
    def hidden(self) -> Floats:
        """Of the first layer, before its activation."""
        return self.all[self.dim + 1 :]
