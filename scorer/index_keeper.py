"""Rebuilds the retrieval index and the popular ads and the pools to explore, in the background."""

import threading
from time import monotonic

import structlog

from scorer.catalogue import Catalogue
from scorer.exploration_pools import ExplorationPools
from scorer.metrics import ScorerMetrics
from scorer.model_holder import ModelHolder, ServedModel
from scorer.model_loader import build_index
from scorer.popularity import popular_ads
from scorer.settings import ScorerSettings

_log = structlog.get_logger(__name__)
#: Rebuilding takes at most this share of a core.
_LARGEST_SHARE = 0.1


class IndexKeeper(threading.Thread):
    """Each index is built aside; requests see the old one or the new one."""

    def __init__(
        self,
        catalogue: Catalogue,
        holder: ModelHolder,
        pools: ExplorationPools,
        settings: ScorerSettings,
        metrics: ScorerMetrics,
    ) -> None:
        super().__init__(name="index-keeper", daemon=True)
        self._catalogue = catalogue
        self._holder = holder
        self._pools = pools
        self._settings = settings
        self._metrics = metrics
        self._stopping = threading.Event()
        self._seen: tuple[int, int, int] = (0, 0, 0)

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
                if served is not None:
                    self._renew(served)
            except Exception:  # the old index goes on being used
                self._metrics.feeder_errors.inc()
                _log.exception("index could not be rebuilt")
            busy = monotonic() - start
            pause = max(self._settings.index_seconds, busy / _LARGEST_SHARE)

    def _renew(self, served: ServedModel) -> None:
        revision = self._catalogue.revision
        state = (id(served), served.store.writes, revision)
        if state == self._seen:
            return
        served.index = build_index(self._catalogue, served.store, revision, self._settings)
        served.popular = popular_ads(self._catalogue, 2 * self._settings.max_limit)
        self._pools.renew(self._catalogue)
        self._catalogue.forget_recent(revision)
        self._seen = state
