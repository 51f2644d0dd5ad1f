"""The model that is served: one reference, changed at once; requests keep the one they took."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schemas.model_package import Manifest
from scorer.ads.ad_arrays import AdArrays
from scorer.ads.popularity import PopularAds
from scorer.model.deepfm import DeepFm
from scorer.model.half_store import HalfStore
from scorer.model.quantised_tower import QuantisedTower
from scorer.model.retrieval_index import RetrievalIndex
from scorer.questions import NoModelError

if TYPE_CHECKING:
    from scorer.model.model_file import ModelFile


@dataclass(frozen=True, slots=True)
class DeltaPosition:
    """How far a stream of row deltas was followed; ``epoch`` is empty if it had no entry yet."""

    entry_id: str
    epoch: str
    sequence: int


@dataclass(slots=True)
class ServedModel:
    """A model version with its ad halves; ``file`` and ``index_path`` are the feeder's.

    ``popular`` is replaced, never changed; ``index`` follows its ads and is replaced when it has
    drifted: ``indexed_writes`` of ``store`` came before it was built.

    ``quantised`` is None where 8 bits would not find what the exact tower ranks first.
    ``shortlist`` candidates of a request are ranked by the tower in 8 bits, and ``spare`` more than
    are asked for by the exact one, see scorer.model.finalists.
    ``mean_tower`` is the tower's mean logit, the best guess of it for an ad that is not in memory.
    ``built_revision`` is the catalogue's revision that the halves were built from; ``position``
    is the feeder's.
    """

    manifest: Manifest
    model: DeepFm
    store: HalfStore
    index: RetrievalIndex
    quantised: QuantisedTower | None
    popular: PopularAds
    mean_tower: float
    shortlist: int
    spare: int
    built_revision: int
    position: DeltaPosition
    indexed_writes: int = 0
    file: "ModelFile | None" = None
    index_path: Path | None = None

    def put(self, slots: NDArray[np.int32], arrays: AdArrays) -> int:
        """The ads in ``slots`` [n] came or changed; how many the index had no room for."""
        active = arrays.active.take(slots)
        self._write(slots, arrays)
        return self.index.put(slots, self.store.vectors.take(slots, axis=0), active)

    def refresh(self, slots: NDArray[np.int32], arrays: AdArrays) -> None:
        """Numbers of the ads in ``slots`` [n], or rows of theirs, changed."""
        if not len(slots):
            return
        self._write(slots, arrays)
        self.index.refresh(slots, self.store.vectors.take(slots, axis=0))

    def _write(self, slots: NDArray[np.int32], arrays: AdArrays) -> None:
        halves = self.model.ad_halves(arrays.parts.take(slots))
        usual = self.model.usual_tower(halves)
        self.store.write(slots, halves, usual, arrays.prices.take(slots))


class ModelHolder:
    """Holds the served model. Reading and replacing a reference are atomic."""

    def __init__(self) -> None:
        self.current: ServedModel | None = None

    def require(self) -> ServedModel:
        """The served model. Raises NoModelError before the first one."""
        served = self.current
        if served is None:
            raise NoModelError(
                "no model is loaded yet: publish one, e.g. with python -m bootstrap train"
            )
        return served
