"""A served model in files that workers map: package, table, ad halves; the index beside it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.model_package import TABLE_FILE, TOWER_FILE, Manifest, ModelPackage
from scorer import shared_arrays
from scorer.ad_arrays import AdArrays
from scorer.half_store import HalfStore
from scorer.kernels import best_kernels
from scorer.model_holder import DeltaPosition, ServedModel
from scorer.package_reader import read_deepfm
from scorer.popularity import PopularAds
from scorer.quantised_tower import QuantisedTower
from scorer.retrieval_index import RetrievalIndex
from scorer.tower_layers import layers_of

_MEAN_TOWER, _IS_QUANTISED, _SHIFT = range(3)


class ModelFile:
    """One version. The feeder makes it and writes on; workers attach."""

    def __init__(self, path: Path, arrays: shared_arrays.Arrays) -> None:
        self.path = path
        self.table: NDArray[np.float32] = arrays["table"]
        self.seen: NDArray[np.float32] = arrays["seen"]
        self._facts: NDArray[np.float64] = arrays["facts"]
        manifest = Manifest.model_validate_json(arrays["manifest"].tobytes())
        files = {n: a.tobytes() for n, a in shared_arrays.part("file", arrays).items()}
        self.package = ModelPackage(manifest, files)
        layers = layers_of(files[TOWER_FILE])
        self.layers = layers
        self.store = HalfStore(
            shared_arrays.part("halves", arrays), len(layers[0].weights) if layers else 1
        )

    @classmethod
    def create(
        cls, path: Path, package: ModelPackage, table: NDArray[np.float32], hidden: int,
        seen: int, capacity: int,
    ) -> "ModelFile":  # fmt: skip
        """For ``capacity`` ads; ``seen`` first layers are kept to quantise the tower by."""
        manifest = package.manifest.model_dump_json().encode()
        files = {n: data for n, data in package.files.items() if n != TABLE_FILE}
        layers = layers_of(files[TOWER_FILE])
        towers = len(layers[0].weights) if layers else 1
        layout: dict[str, shared_arrays.Entry] = {
            "table": ("<f4", table.shape),
            "seen": ("<f4", (seen, hidden)),
            "facts": ("<f8", (3,)),
            "manifest": ("u1", (len(manifest),)),
            **shared_arrays.prefixed("file", {n: ("u1", (len(d),)) for n, d in files.items()}),
            **shared_arrays.prefixed(
                "halves",
                HalfStore.layout(capacity, table.shape[1] - 1, towers, hidden // towers),
            ),
        }
        arrays = shared_arrays.create(path, layout)
        arrays["table"][:] = table
        arrays["manifest"][:] = np.frombuffer(manifest, np.uint8)
        for name, data in files.items():
            arrays[f"file.{name}"][:] = np.frombuffer(data, np.uint8)
        return cls(path, arrays)

    def quantised(self) -> QuantisedTower | None:
        """The tower in 8 bits by what was seen, whether or not it is good enough."""
        return QuantisedTower.of(self.layers, self.seen, best_kernels()) if self.layers else None

    def decide(self, mean_tower: float, is_quantised: bool) -> None:
        """What a test of the model has shown."""
        self._facts[:2] = mean_tower, is_quantised

    def set_shift(self, shift: float) -> None:
        """The calibration's shift, as the learner says."""
        self._facts[_SHIFT] = shift

    @property
    def shift(self) -> float:
        """The calibration's shift."""
        return float(self._facts[_SHIFT])

    def attached(self, encoder: Encoder, index: RetrievalIndex, popular: PopularAds) -> ServedModel:
        """As a worker serves it."""
        return ServedModel(
            manifest=self.package.manifest,
            model=read_deepfm(self.package, encoder, self.table),
            store=self.store,
            index=index,
            quantised=self.quantised() if self._facts[_IS_QUANTISED] else None,
            popular=popular,
            mean_tower=float(self._facts[_MEAN_TOWER]),
            built_revision=0,
            position=DeltaPosition("", "", -1),
        )


def published_popular(arrays: AdArrays) -> PopularAds:
    """The popular ads that the feeder has listed."""
    while True:
        slots, ctrs = arrays.popular.copy(), arrays.popular_ctrs.copy()
        if np.array_equal(slots, arrays.popular) and np.array_equal(ctrs, arrays.popular_ctrs):
            count = 1 + int(slots[0])
            return PopularAds(slots[1:count], ctrs[1:count], float(ctrs[0]))


def publish_popular(arrays: AdArrays, popular: PopularAds) -> None:
    """List them for workers."""
    count = min(len(popular.slots), len(arrays.popular) - 1)
    arrays.popular_ctrs[0] = popular.overall_ctr
    arrays.popular_ctrs[1 : 1 + count] = popular.ctrs[:count]
    arrays.popular[1 : 1 + count] = popular.slots[:count]
    arrays.popular[0] = count
