"""Builds a served model aside, in its own thread: package, compacted rows, ad halves, index."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import redis
import structlog
from numpy.typing import NDArray

from schemas import redis_keys
from schemas.model_package import ModelPackage, PackageError, fetch
from scorer.ads.catalogue import Catalogue
from scorer.ads.popularity import popular_ads
from scorer.kernels import best_kernels
from scorer.memory.background import Pace
from scorer.memory.memory_folder import Memory
from scorer.model.deepfm import DeepFm
from scorer.model.delta_stream import (
    NewRows,
    apply_compacted,
    clicks_between,
    rows_that_differ,
    stream_end,
)
from scorer.model.finalists import LARGEST_SPARE, SERVED_ADS, shortlist_and_spare
from scorer.model.half_store import HalfStore, query
from scorer.model.model_file import ModelFile
from scorer.model.model_holder import DeltaPosition, ServedModel
from scorer.model.package_reader import read_deepfm
from scorer.model.quantised_tower import LEAST_OVERLAP, QuantisedTower, overlap
from scorer.model.recent_requests import RecentRequests, warm_up
from scorer.model.retrieval_index import RetrievalIndex
from scorer.settings import ScorerSettings

_PROBE_ADS = 512
_PROBE_REQUESTS = 20
#: Their first layers in float32 stay in the cache.
_ADS_AT_A_TIME = 1_024
#: Of the time, while another model is served.
_LOAD_SHARE = 0.5
_log = structlog.get_logger(__name__)


class ModelLoader:
    """Loads versions of one model for one catalogue."""

    def __init__(
        self,
        client: redis.Redis,
        model: str,
        catalogue: Catalogue,
        memory: Memory,
        settings: ScorerSettings,
        recent: RecentRequests,
    ) -> None:
        self._client = client
        self._model = model
        self._catalogue = catalogue
        self._memory = memory
        self._settings = settings
        self._recent = recent

    def current_version(self) -> str | None:
        """The version that should be served, None if none was published."""
        value = cast("bytes | None", self._client.get(redis_keys.model_current(self._model)))
        return None if value is None else value.decode()

    def has_ads(self) -> bool:
        """Whether the catalogue is loaded: a model is built for its ads."""
        return self._catalogue.loaded

    def load(self, version: str, served_already: bool = False) -> ServedModel:
        """Everything that serving a version needs; slowly, if a model is ``served_already``.

        Raises PackageError if the package cannot be used, redis.RedisError if Redis is away.
        """
        package, model, position, shift = self._newest(version)
        return self._with_ads(package, model, position, shift, served_already)

    def missed(self, served: ServedModel, since: DeltaPosition) -> NewRows:
        """What the model that is served lacks, whose stream was left at ``since`` because it does
        not go on there. The table must not change meanwhile. Raises as :meth:`load`.

        Rows that only the served one has learnt are lost to its learner: they are the package's.
        """
        version = served.manifest.version
        _, model, position, shift = self._newest(version)
        ids = rows_that_differ(model.table, served.model.table)
        clicks = clicks_between(self._client, self._model, version, since, position)
        return NewRows(position, shift, ids, model.table[ids], clicks)

    def _newest(self, version: str) -> tuple[ModelPackage, DeepFm, DeltaPosition, float]:
        """A package, its model with the compacted rows, where its stream ends, the shift there."""
        package = fetch(self._model, version, self._get)
        package.require_fingerprint(self._catalogue.encoder.spec.fingerprint)
        model = read_deepfm(package, self._catalogue.encoder)
        position, shift = stream_end(self._client, self._model, version)
        apply_compacted(self._client, self._model, version, model.table)
        return package, model, position, shift

    def _get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return cast("list[bytes | None]", self._client.mget(keys))

    def _with_ads(
        self,
        package: ModelPackage,
        model: DeepFm,
        position: DeltaPosition,
        shift: float,
        served_already: bool,
    ) -> ServedModel:
        catalogue, version = self._catalogue, package.manifest.version
        arrays = catalogue.arrays
        revision, count = catalogue.revision, catalogue.slot_count
        known, is_first = catalogue.slots_in_use(), self._memory.published() is None
        probe = known[:: max(1, len(known) // _PROBE_ADS)]
        with self._memory.new("model", "index") as (path, index_path):
            share = _LOAD_SHARE if served_already else 1.0
            pace = Pace(share)
            file = ModelFile.create(
                path, package, model.table, model.hidden, arrays.capacity, count, pace, is_first
            )
            model = read_deepfm(package, catalogue.encoder, file.table)
            model.recalibrate(shift)
            file.set_shift(shift)
            store = file.store
            for start in range(0, count, _ADS_AT_A_TIME):
                slots = np.arange(start, min(start + _ADS_AT_A_TIME, count), dtype=np.int32)
                halves = model.ad_halves(arrays.parts.take(slots))
                store.write(slots, halves, model.usual_tower(halves), arrays.prices.take(slots))
                pace.piece_is_done()
            index = build_index(index_path, catalogue, store, self._settings, is_first)
            parts = self._recent.parts(catalogue.encoder)
            quantised, mean_tower = self._warm(model, file, index, probe, parts, version)
            loaded = ServedModel(
                manifest=package.manifest,
                model=model,
                store=store,
                index=index,
                quantised=quantised,
                popular=popular_ads(catalogue, 2 * self._settings.max_limit),
                mean_tower=mean_tower,
                shortlist=self._settings.candidates,
                spare=LARGEST_SPARE,
                built_revision=revision,
                position=position,
                indexed_writes=store.writes,
                file=file,
                index_path=index_path,
            )
            loaded.shortlist, loaded.spare = shortlist_and_spare(
                loaded, arrays, parts, self._settings.candidates
            )
            file.set_shortlist(loaded.shortlist, loaded.spare)
            warm_up(loaded, arrays, parts, self._settings.candidates, Pace(share))
            return loaded

    def _warm(
        self,
        model: DeepFm,
        file: ModelFile,
        index: RetrievalIndex,
        probe: NDArray[np.int32],
        requests: Sequence[NDArray[np.void]],
        version: str,
    ) -> tuple[QuantisedTower | None, float]:
        """Run the whole path on the last of the requests, encoded parts (1,); the mean tower logit
        of the ads in ``probe``.

        The tower in 8 bits gets room for what the best ads of a request bring it, which are no
        usual ones, and is refused unless it finds what the exact one ranks first.
        """
        encoder, arrays = self._catalogue.encoder, self._catalogue.arrays
        ads = model.ad_halves(arrays.parts.take(probe) if len(probe) else encoder.ad("", {}))
        halves = [model.request_half(part) for part in requests[-_PROBE_REQUESTS:]]
        best = [index.search(query(h, False), self._settings.candidates)[0] for h in halves]
        seen = [ads.hidden + halves[0].hidden]
        for half, slots in zip(halves, best, strict=True):
            seen.append(model.ad_halves(arrays.parts.take(slots)).hidden + half.hidden)
        logits = [model.tower.logits(hidden) for hidden in seen]
        if not np.isfinite([*(half.scalar for half in halves), *map(np.sum, logits)]).all():
            raise PackageError(f"package {version}: the model answers with no finite number")
        quantised = file.quantise_by(np.concatenate(seen))
        if quantised is not None and all(map(len, best)):
            found = 0.0
            for half, slots, towers in zip(halves, best, logits[1:], strict=True):
                products = file.store.vectors.take(slots, axis=0) @ query(half, by_value=False)
                products -= file.store.usual.take(slots)
                approximate = products + quantised.logits(file.store, slots, half)
                chosen = SERVED_ADS + LARGEST_SPARE
                found += overlap(products + towers, approximate, SERVED_ADS, chosen) / len(halves)
            if found < LEAST_OVERLAP:
                _log.warning("8 bits are too few for this tower", version=version, overlap=found)
                quantised = None
        mean_tower = float(logits[0].mean())
        file.decide(mean_tower, quantised is not None)
        return quantised, mean_tower


def build_index(
    path: Path,
    catalogue: Catalogue,
    store: HalfStore,
    settings: ScorerSettings,
    huge_pages: bool = False,
) -> RetrievalIndex:
    """An index of the active ads in a new file."""
    active = catalogue.active_slots()
    return RetrievalIndex.build(
        path,
        store.vectors,
        active,
        catalogue.arrays.capacity,
        settings.flat_index_ads,
        settings.index_probes,
        best_kernels(),
        huge_pages,
    )
