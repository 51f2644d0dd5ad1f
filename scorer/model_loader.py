"""Builds a served model aside, in its own thread: package, compacted rows, ad halves, index."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import redis

from schemas import redis_keys
from schemas.model_package import ModelPackage, PackageError, fetch
from schemas.redis_values import UserRow
from schemas.row_delta import DeltaError, rows_from_hash
from scorer.catalogue import SLICE, Catalogue
from scorer.deepfm import DeepFm
from scorer.delta_stream import clicks_between, stream_end
from scorer.half_store import HalfStore
from scorer.model_holder import DeltaPosition, ServedModel
from scorer.package_reader import read_deepfm
from scorer.popularity import popular_ads
from scorer.retrieval_index import RetrievalIndex
from scorer.settings import ScorerSettings

_PROBE_ADS = 512


class ModelLoader:
    """Loads versions of one model for one catalogue."""

    def __init__(
        self, client: redis.Redis, model: str, catalogue: Catalogue, settings: ScorerSettings
    ) -> None:
        self._client = client
        self._model = model
        self._catalogue = catalogue
        self._settings = settings

    def current_version(self) -> str | None:
        """The version that should be served, None if none was published."""
        value = cast("bytes | None", self._client.get(redis_keys.model_current(self._model)))
        return None if value is None else value.decode()

    def wait_for_ads(self, seconds: float) -> bool:
        """Whether the catalogue is loaded, after at most so long: a model is built for its ads."""
        return self._catalogue.loaded.wait(seconds)

    def load(self, version: str, skipped_from: DeltaPosition | None = None) -> ServedModel:
        """Everything that serving a version needs; ``skipped_from`` is where a resync left off.

        Raises PackageError if the package cannot be used, redis.RedisError if Redis is away.
        """
        package = fetch(self._model, version, self._get)
        package.require_fingerprint(self._catalogue.encoder.spec.fingerprint)
        model = read_deepfm(package, self._catalogue.encoder)
        position, shift = stream_end(self._client, self._model, version)
        model.recalibrate(shift)
        self._apply_rows(model, version)
        clicks = (
            []
            if skipped_from is None
            else clicks_between(self._client, self._model, version, skipped_from, position)
        )
        return self._with_ads(package, model, position, clicks)

    def _get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return cast("list[bytes | None]", self._client.mget(keys))

    def _apply_rows(self, model: DeepFm, version: str) -> None:
        key = redis_keys.model_rows(self._model, version)
        for fields in self._hash_pages(key):
            try:
                ids, values = rows_from_hash(fields, model.dim)
                model.table[ids] = values
            except (DeltaError, IndexError) as error:
                raise PackageError(f"package {version}: compacted rows: {error}") from None

    def _hash_pages(self, key: str) -> "list[dict[bytes, bytes]]":
        pages, cursor = [], 0
        while True:
            cursor, page = cast(
                "tuple[int, dict[bytes, bytes]]", self._client.hscan(key, cursor, count=5_000)
            )
            pages.append(page)
            if cursor == 0:
                return pages

    def _with_ads(
        self, package: ModelPackage, model: DeepFm, position: DeltaPosition, clicks: list[int]
    ) -> ServedModel:
        catalogue = self._catalogue
        with catalogue.lock:
            revision, count = catalogue.revision, catalogue.slot_count
            store = HalfStore(catalogue.arrays.capacity, model.dim, model.hidden)
        for start in range(0, count, SLICE):
            slots = np.arange(start, min(start + SLICE, count), dtype=np.int32)
            with catalogue.lock:
                parts = catalogue.arrays.parts.take(slots)
                prices = catalogue.arrays.prices.take(slots)
            store.write(slots, model.ad_halves(parts), prices)
        return ServedModel(
            manifest=package.manifest,
            model=model,
            store=store,
            index=build_index(catalogue, store, revision, self._settings),
            popular=popular_ads(catalogue, 2 * self._settings.max_limit),
            mean_tower=self._warm(model, store, count, package.manifest.version),
            built_revision=revision,
            position=position,
            learnt_clicks=clicks,
        )

    def _warm(self, model: DeepFm, store: HalfStore, count: int, version: str) -> float:
        """Run the whole path on a request without a user; the mean logit of the tower."""
        encoder = self._catalogue.encoder
        half = model.request_half(encoder.request(UserRow(""), {}))
        rows = store.hidden[:count] if count else model.ad_halves(encoder.ad("", {})).hidden
        probe = rows[:: max(1, len(rows) // _PROBE_ADS)]
        logits = model.tower.logits(probe + half.hidden)
        if not np.isfinite(logits).all() or not np.isfinite(half.scalars).all():
            raise PackageError(f"package {version}: the model answers with no finite number")
        return float(logits.mean())


def build_index(
    catalogue: Catalogue, store: HalfStore, revision: int, settings: ScorerSettings
) -> RetrievalIndex:
    """An index of the active ads; changes up to ``revision`` are in it."""
    with catalogue.lock:
        active = catalogue.arrays.active[: len(store.vectors)]
        slots = np.flatnonzero(active)
        vectors = store.vectors.take(slots, axis=0)
    return RetrievalIndex(vectors, slots, revision, settings.flat_index_ads, settings.index_probes)
