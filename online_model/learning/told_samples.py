"""What a method of delayed feedback learns of the samples that a stream brings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.settings import Method
from online_model.training.delayed_feedback import sights
from schemas.encoding import Encoder

FIRST_LABELS = ("POSITIVE", "NEGATIVE")


@dataclass(frozen=True, slots=True)
class ToldSamples:
    """Samples [n] where they were shown, ``labels``, sample ``weights``, ``kinds``, what they are
    ``counted`` for (see delayed_feedback.sights), and whether it is the ``first`` label of its
    impression: with the method ``wait`` that is the MATURE one."""

    samples: NDArray[np.void]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    counted: NDArray[np.float32]
    kinds: NDArray[np.str_]
    first: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        method: Method,
        samples: NDArray[np.void],
        labels: NDArray[np.integer[Any]] | NDArray[np.floating[Any]],
        kinds: Sequence[str] | NDArray[np.str_],
        weights: NDArray[np.floating[Any]],
        positions: NDArray[np.integer[Any]],
    ) -> "ToldSamples":
        """Of m samples those that the method learns and that have a positive weight."""
        kind = np.asarray(kinds, dtype="U10")
        counted = sights(method, kind, np.asarray(labels))
        chosen = np.flatnonzero((counted > 0) & (np.asarray(weights) > 0))
        kind = kind[chosen]
        return cls(
            samples=encoder.with_positions(samples[chosen], np.asarray(positions)[chosen]),
            labels=np.asarray(labels)[chosen].astype(np.float32),
            weights=np.asarray(weights)[chosen].astype(np.float32),
            counted=counted[chosen],
            kinds=kind,
            first=np.isin(kind, ("MATURE",) if method == "wait" else FIRST_LABELS),
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Which say something of the click rate: first labels, and clicks that correct one."""
        counts: NDArray[np.bool_] = self.first | (self.kinds == "CORRECTION")
        return counts

    def part(self, of: slice) -> "ToldSamples":
        """Some of them."""
        return ToldSamples(*(getattr(self, name)[of] for name in self.__slots__))
