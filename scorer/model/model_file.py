"""A served model in files that workers map: package, table, ad halves; the index beside it."""

import shutil
import threading
from pathlib import Path
from time import sleep

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.model_package import (
    TABLE_FILE,
    TOWER_FILE,
    Manifest,
    ModelPackage,
    PackageError,
)
from scorer.ads.ad_arrays import AdArrays
from scorer.ads.popularity import PopularAds
from scorer.kernels import best_kernels
from scorer.memory import shared_arrays
from scorer.memory.background import Pace
from scorer.memory.page_mapping import make_pages, use_huge_pages
from scorer.model.half_store import HalfStore
from scorer.model.model_holder import DeltaPosition, ServedModel
from scorer.model.package_reader import read_deepfm
from scorer.model.quantised_tower import QuantisedTower, units_of
from scorer.model.retrieval_index import RetrievalIndex
from scorer.model.tower_layers import layers_of

#: Of an ad in the index: two blocks of codes, biases, places.
_INDEX_BYTES = 64
#: A list takes microseconds to write.
_TRIES, _TRY_SECONDS = 200, 0.001
#: The feeder's threads both list.
_PUBLISHING = threading.Lock()
_MEAN_TOWER, _IS_QUANTISED, _SHIFT, _SHORTLIST, _SPARE = range(5)


class ModelFile:
    """One version. The feeder makes it and writes on; workers attach."""

    def __init__(self, path: Path, arrays: shared_arrays.Arrays) -> None:
        self.path = path
        self.arrays = arrays
        self.table: NDArray[np.float32] = arrays["table"]
        self._units: NDArray[np.float32] = arrays["units"]
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
        capacity: int, used: int, pace: Pace, huge_pages: bool = False,
    ) -> "ModelFile":  # fmt: skip
        """For ``capacity`` ads, ``used`` of which are there.

        Raises PackageError: writing to a full memory file system would end the process.
        """
        manifest = package.manifest.model_dump_json().encode()
        files = {n: data for n, data in package.files.items() if n != TABLE_FILE}
        layers = layers_of(files[TOWER_FILE])
        towers = len(layers[0].weights) if layers else 1
        halves = HalfStore.layout(capacity, table.shape[1] - 1, towers, hidden // towers)
        written = table.nbytes + sum(map(len, files.values()))
        written += used * (shared_arrays.size(halves) // max(1, capacity) + _INDEX_BYTES)
        free = shutil.disk_usage(path.parent).free
        if free < written:
            raise PackageError(
                f"package {package.manifest.version}: its table and the halves of {used:,} ads "
                f"take {written >> 20:,} MiB, CTR_SCORER_MEMORY_DIR has {free >> 20:,} MiB left"
            )
        layout: dict[str, shared_arrays.Entry] = {
            "table": ("<f4", table.shape),
            "units": ("<f4", (len(layers) if layers else 0,)),
            "facts": ("<f8", (5,)),
            "manifest": ("u1", (len(manifest),)),
            **shared_arrays.prefixed("file", {n: ("u1", (len(d),)) for n, d in files.items()}),
            **shared_arrays.prefixed("halves", halves),
        }
        arrays = shared_arrays.create(path, layout)
        for array in (arrays["table"], *(arrays[f"halves.{name}"][:used] for name in halves)):
            if huge_pages:
                use_huge_pages(array)
            make_pages(array, pace)
        arrays["table"][:] = table
        arrays["manifest"][:] = np.frombuffer(manifest, np.uint8)
        for name, data in files.items():
            arrays[f"file.{name}"][:] = np.frombuffer(data, np.uint8)
        return cls(path, arrays)

    def quantise_by(self, seen: NDArray[np.float32]) -> QuantisedTower | None:
        """The tower in 8 bits by first layers ``seen`` [n, hidden], good enough or not."""
        if self.layers:
            self._units[:] = units_of(self.layers, seen)
        return self._quantised()

    def _quantised(self) -> QuantisedTower | None:
        return QuantisedTower.of(self.layers, self._units, best_kernels()) if self.layers else None

    def decide(self, mean_tower: float, is_quantised: bool) -> None:
        """What a test of the model has shown."""
        self._facts[:2] = mean_tower, is_quantised

    def set_shortlist(self, shortlist: int, spare: int) -> None:
        """How many candidates the tower in 8 bits must see, and how many more the exact one."""
        self._facts[_SHORTLIST], self._facts[_SPARE] = shortlist, spare

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
            quantised=self._quantised() if self._facts[_IS_QUANTISED] else None,
            popular=popular,
            mean_tower=float(self._facts[_MEAN_TOWER]),
            shortlist=int(self._facts[_SHORTLIST]),
            spare=int(self._facts[_SPARE]),
            built_revision=0,
            position=DeltaPosition("", "", -1),
        )


def published_popular(arrays: AdArrays) -> PopularAds:
    """The popular ads that the feeder has listed. Raises RuntimeError if it died meanwhile."""
    for _ in range(_TRIES):
        before = int(arrays.popular_sequence[0])
        slots, ctrs = arrays.popular.copy(), arrays.popular_ctrs.copy()
        if not before & 1 and before == int(arrays.popular_sequence[0]):
            count = 1 + int(slots[0])
            return PopularAds(slots[1:count], ctrs[1:count], float(ctrs[0]))
        sleep(_TRY_SECONDS)
    raise RuntimeError("the popular ads are not written to their end: has the feeder died?")


def publish_popular(arrays: AdArrays, popular: PopularAds) -> None:
    """List them for workers. A list that was not written to its end is written anew by the next."""
    with _PUBLISHING:
        arrays.popular_sequence[0] |= np.uint64(1)
        _write_popular(arrays, popular)
        arrays.popular_sequence[0] += np.uint64(1)


def _write_popular(arrays: AdArrays, popular: PopularAds) -> None:
    count = min(len(popular.slots), len(arrays.popular) - 1)
    arrays.popular_ctrs[0] = popular.overall_ctr
    arrays.popular_ctrs[1 : 1 + count] = popular.ctrs[:count]
    arrays.popular[1 : 1 + count] = popular.slots[:count]
    arrays.popular[0] = count
