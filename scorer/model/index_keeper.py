"""Rebuilds index, look-ups, popular ads and the pools to explore, in the background."""

import threading
from pathlib import Path
from time import monotonic

import structlog

from scorer.ads.catalogue import Catalogue
from scorer.ads.popularity import popular_ads
from scorer.experiments.exploration_pools import ExplorationPools
from scorer.memory.memory_folder import Memory
from scorer.metrics import ScorerMetrics
from scorer.model.model_file import publish_popular
from scorer.model.model_holder import ModelHolder, ServedModel
from scorer.model.model_loader import build_index
from scorer.model.retrieval_index import RetrievalIndex
from scorer.settings import ScorerSettings

_log = structlog.get_logger(__name__)
#: Rebuilding takes at most this share of a core.
_LARGEST_SHARE = 0.1
#: The index is built again when its open list is so full, or so many rows per ad were written.
_OPEN_SHARE = 0.3
_WRITES_PER_AD = 2.0
#: Changed ads, not sorted yet, that look-ups go through one by one.
_UNSORTED_ADS = 4_096


class IndexKeeper(threading.Thread):
    """An index is built aside, and handed to the feeder: it catches up and swaps."""

    def __init__(
        self,
        catalogue: Catalogue,
        holder: ModelHolder,
        pools: ExplorationPools,
        memory: Memory,
        settings: ScorerSettings,
        metrics: ScorerMetrics,
    ) -> None:
        super().__init__(name="index-keeper", daemon=True)
        self._catalogue = catalogue
        self._holder = holder
        self._pools = pools
        self._memory = memory
        self._settings = settings
        self._metrics = metrics
        self._stopping = threading.Event()
        self._prepared: tuple[ServedModel, RetrievalIndex, Path, int] | None = None
        self._popular_at: tuple[int, int] = (0, 0)

    def stop(self) -> None:
        """End soon; join the thread afterwards."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; a fault is logged and tried again."""
        pause = self._settings.index_seconds
        while not self._stopping.wait(pause):
            start = monotonic()
            served = self._holder.current
            try:
                if self._catalogue.attributes.unsorted > _UNSORTED_ADS:
                    self._catalogue.sort()
                if served is not None:
                    self._renew(served)
            except Exception:  # the old index goes on being used
                self._metrics.feeder_errors.inc()
                _log.exception("index could not be rebuilt")
            busy = monotonic() - start
            pause = max(self._settings.index_seconds, busy / _LARGEST_SHARE)

    def take_prepared(self) -> tuple[ServedModel, RetrievalIndex, Path, int] | None:
        """A model, its new index and the file, and the catalogue's revision it was built at."""
        prepared, self._prepared = self._prepared, None
        return prepared

    def _renew(self, served: ServedModel) -> None:
        seen = (id(served), served.store.writes + self._catalogue.revision)
        if seen != self._popular_at:
            served.popular = popular_ads(self._catalogue, 2 * self._settings.max_limit)
            publish_popular(self._catalogue.arrays, served.popular)
            self._pools.renew(self._catalogue)
            self._popular_at = seen
        written = served.store.writes - served.indexed_writes
        drifted = served.index.lists and written > _WRITES_PER_AD * self._catalogue.active_ads
        if self._prepared is None and (served.index.open_share > _OPEN_SHARE or drifted):
            revision, served.indexed_writes = self._catalogue.revision, served.store.writes
            with self._memory.new("index") as (path,):
                index = build_index(path, self._catalogue, served.store, self._settings)
            self._prepared = (served, index, path, revision)
