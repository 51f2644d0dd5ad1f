"""What a worker sees of the model: it maps what the feeder has published, and serves it."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import structlog

from scorer.ads.catalogue import Catalogue
from scorer.experiments.exploration_pools import ExplorationPools
from scorer.kernels import best_kernels
from scorer.memory import shared_arrays
from scorer.memory.background import Pace
from scorer.memory.memory_folder import Memory
from scorer.metrics import ScorerMetrics
from scorer.model.model_file import ModelFile, published_popular
from scorer.model.model_holder import ModelHolder
from scorer.model.recent_requests import RecentRequests, warm_up
from scorer.model.retired_models import hold
from scorer.model.retrieval_index import RetrievalIndex
from scorer.settings import ScorerSettings

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 0.01
_POPULAR_SECONDS = 1.0
#: Of the core that answers requests, for a model that comes while another one is served.
_SHARE = 0.15


class ModelView(threading.Thread):
    """Looks at one number; a new model is warmed up aside, then one reference changes."""

    def __init__(
        self,
        memory: Memory,
        catalogue: Catalogue,
        holder: ModelHolder,
        pools: ExplorationPools,
        settings: ScorerSettings,
        metrics: ScorerMetrics,
        recent: RecentRequests,
        on_model: Callable[[], None],
    ) -> None:
        """``on_model`` is called after each change of the served model."""
        super().__init__(name="model-view", daemon=True)
        self._memory = memory
        self._catalogue = catalogue
        self._holder = holder
        self._pools = pools
        self._settings = settings
        self._metrics = metrics
        self._recent = recent
        self._on_model = on_model
        self._stopping = threading.Event()
        self._seen: tuple[Path, Path] | None = None
        self._file: ModelFile | None = None
        self._held = ExitStack()
        self._shift = 0.0
        self._popular_at = 0.0

    def stop(self) -> None:
        """End soon; join the thread afterwards."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; a fault is logged and tried again."""
        while not self._stopping.wait(_LOOK_SECONDS):
            self.look()
        self._held.close()

    def look(self) -> None:
        """Serve what is published. Before the first request, so that a worker in the place of one
        that died answers all that comes."""
        try:
            self._look()
        except FileNotFoundError:  # published anew meanwhile
            return
        except Exception:  # the old model goes on being served
            self._metrics.feeder_errors.inc()
            _log.exception("what was published cannot be served: answers go stale")
            self._stopping.wait(1.0)

    def _look(self) -> None:
        published = self._memory.published()
        if published is not None and published != self._seen:
            self._attach(*published)
            self._seen = published
        served = self._holder.current
        if served is None or self._file is None:
            return
        if self._file.shift != self._shift:
            self._shift = self._file.shift
            served.model.recalibrate(self._shift)
        if monotonic() > self._popular_at + _POPULAR_SECONDS:
            self._popular_at = monotonic()
            served.popular = published_popular(self._catalogue.arrays)
            self._pools.renew(self._catalogue)

    def _attach(self, model_path: Path, index_path: Path) -> None:
        served = self._holder.current
        pace = Pace(1.0 if served is None else _SHARE)
        index = RetrievalIndex(
            shared_arrays.attach(index_path, pace=pace), self._settings.index_probes, best_kernels()
        )
        before = [] if served is None else [served.index.arrays]
        if served is not None and self._file is not None and self._file.path == model_path:
            served.index = index
        else:
            if self._file is not None:
                before.append(self._file.arrays)
            with ExitStack() as held:
                held.enter_context(hold(model_path))
                self._serve(model_path, index, pace)
                self._held.close()
                self._held = held.pop_all()
        for arrays in before:
            shared_arrays.let_go(arrays, pace)

    def _serve(self, model_path: Path, index: RetrievalIndex, pace: Pace) -> None:
        file = ModelFile(model_path, shared_arrays.attach(model_path, pace=pace))
        popular = published_popular(self._catalogue.arrays)
        prepared = file.attached(self._catalogue.encoder, index, popular)
        shift = file.shift
        prepared.model.recalibrate(shift)
        parts = self._recent.parts(self._catalogue.encoder)
        warm_up(prepared, self._catalogue.arrays, parts, self._settings.candidates, pace)
        self._file, self._shift = file, shift
        self._holder.current = prepared
        version = prepared.manifest.version
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(version).set(1)
        _log.info("model is served", version=version)
        self._on_model()
