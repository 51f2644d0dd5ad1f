"""The parts of a scorer, built and wired: what feeds, what answers; no decision is taken here."""

import threading
import time
from collections.abc import Callable

import faiss
import structlog
from prometheus_client import CollectorRegistry

from schemas.encoding import Encoder
from schemas.settings import SharedSettings
from scorer.ads.ad_arrays import AdArrays
from scorer.ads.catalogue import Catalogue
from scorer.api.model_admin import ModelAdmin
from scorer.api.server import PortError, ScorerServer
from scorer.api.servicer import ScorerServicer
from scorer.api.tls import TlsError
from scorer.api.validation import Validator
from scorer.experiments.arms import Arms
from scorer.experiments.exploration_pools import ExplorationPools
from scorer.feeder import Feeder
from scorer.memory.background import go_behind_requests, keep_freed_memory
from scorer.memory.memory_folder import Memory
from scorer.metrics import ScorerMetrics, scorer_metrics
from scorer.model.challengers import Challengers
from scorer.model.index_keeper import IndexKeeper
from scorer.model.model_follower import ModelFollower
from scorer.model.model_holder import ModelHolder
from scorer.model.model_loader import ModelLoader
from scorer.model.model_view import ModelView
from scorer.model.recent_requests import RecentRequests
from scorer.ranking.assignment import Assignment
from scorer.ranking.explaining import Explaining
from scorer.ranking.ranker import Ranker
from scorer.ranking.recall_monitor import RecallMonitor
from scorer.ranking.tokens import TokenMint
from scorer.ranking.user_reader import UserReader
from scorer.requirements import (
    StartError,
    arms_of,
    client_of,
    connected,
    features,
    memory_of,
    pools_of,
    require_kernels,
    room_for_ads,
    serve_metrics,
    token_keys,
)
from scorer.settings import ScorerSettings
from stores.model_versions import ModelVersions

_log = structlog.get_logger(__name__)
_JOIN_SECONDS = 5.0


def wall_clock_ms() -> int:
    """Now, as Unix time."""
    return time.time_ns() // 1_000_000


class Feeding:
    """What follows Redis and writes the shared memory."""

    def __init__(
        self,
        shared: SharedSettings,
        settings: ScorerSettings,
        memory: Memory,
        catalogue: Catalogue,
        holder: ModelHolder,
        pools: ExplorationPools,
        metrics: ScorerMetrics,
        recent: RecentRequests,
        on_model: Callable[[], None],
    ) -> None:
        """Whether Redis answers was asked before: who dies while it is away must come back. Raises
        StartError if a cluster does not."""
        client = client_of(shared)
        faiss.omp_set_num_threads(1)
        loader = ModelLoader(client, shared.model, catalogue, memory, settings, recent)
        follower = ModelFollower(loader, holder, metrics, settings.poll_seconds)
        keeper = IndexKeeper(catalogue, holder, pools, memory, settings, metrics)
        self.feeder = Feeder(
            client, shared.model, catalogue, holder, follower, keeper, memory, metrics,
            wall_clock_ms, on_model,
        )  # fmt: skip
        self.threads = (self.feeder, follower, keeper)
        self.background = (follower, keeper)


class Serving:
    """What answers requests from the shared memory."""

    def __init__(
        self,
        shared: SharedSettings,
        settings: ScorerSettings,
        catalogue: Catalogue,
        holder: ModelHolder,
        pools: ExplorationPools,
        metrics: ScorerMetrics,
        recent: RecentRequests,
    ) -> None:
        """As for Feeding. Raises StartError if the keys or the port cannot be used."""
        spec, keys, arms = catalogue.encoder.spec, token_keys(shared), arms_of(shared, settings)
        client = client_of(shared)
        self._holder = holder
        users = UserReader(shared.redis, settings.user_timeout_ms / 1000, metrics.user_reads)
        mint = TokenMint(spec, keys, catalogue.arrays.names)
        versions = {name: ModelVersions(client, name) for name in (shared.model, *arms.models)}
        self.challengers = Challengers(
            (of for name, of in versions.items() if name != shared.model),
            catalogue.encoder,
            metrics,
            settings.poll_seconds,
        )
        assignment = Assignment(arms, shared.model, self.challengers)
        recall = RecallMonitor(settings.recall_seconds, metrics)
        self.ranker = Ranker(
            holder, catalogue, users, mint, assignment, pools, recall, recent, settings, metrics
        )
        self.threads = (self.challengers, recall)
        servicer = ScorerServicer(
            self.ranker,
            Explaining(holder, assignment, catalogue, users),
            Validator(spec, arms.names, settings),
            settings.ranking_budget_ms / 1000,
            metrics,
        )
        admin = ModelAdmin(
            versions,
            settings.operator_token,
            spec.fingerprint,
            lambda model: self._version(shared.model, model),
            wall_clock_ms,
            metrics,
        )
        try:
            self.server = ScorerServer(servicer, admin, settings, metrics)
        except (PortError, TlsError) as error:
            raise StartError(str(error)) from None

    def _version(self, main_model: str, model: str) -> str | None:
        """The version of a model that this process serves."""
        served = self._holder.current if model == main_model else self.challengers.get(model)
        return None if served is None else served.manifest.version


class ScorerProcess:
    """All of it in one process."""

    def __init__(
        self, shared: SharedSettings, settings: ScorerSettings, registry: CollectorRegistry
    ) -> None:
        """Raises StartError if Redis, the features, the keys or a port cannot be used."""
        encoder = Encoder(features(shared))
        arms = arms_of(shared, settings)
        token_keys(shared)
        require_kernels()
        connected(shared)
        self._settings = settings
        self._registry = registry
        metrics = scorer_metrics(registry)
        self.holder = ModelHolder()
        room = room_for_ads(settings)
        self._memory = memory_of(settings)
        arrays = AdArrays.create(self._memory.ads, encoder.layout, room)
        self.catalogue = Catalogue(encoder, arrays, self._memory.folder, settings.shared_row_ads)
        self.pools = pools_of(arms, settings)
        recent = RecentRequests()
        serving = Serving(
            shared, settings, self.catalogue, self.holder, self.pools, metrics, recent
        )
        self.server, self.ranker = serving.server, serving.ranker
        self.challengers = serving.challengers
        feeding = Feeding(
            shared, settings, self._memory, self.catalogue, self.holder, self.pools, metrics,
            recent, on_model=lambda: self.server.set_ready(True),
        )  # fmt: skip
        self._feeder = feeding.feeder
        self._threads = (*feeding.threads, *serving.threads)

    def start(self) -> None:
        """Begin to answer and to follow Redis. Raises StartError if a port is taken."""
        settings = self._settings
        serve_metrics(settings, self._registry)
        self.server.start()
        for thread in self._threads:
            thread.start()
        _log.info("scorer is up", port=self.server.port, metrics_port=settings.metrics_port)

    def stop(self) -> None:
        """Not ready, then no new requests, then the end of those under way."""
        _log.info("scorer stops")
        end_serving(self.server, self._settings)
        for thread in self._threads:
            thread.stop()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._memory.remove()

    def run(self, stopping: threading.Event) -> None:
        """Serve until ``stopping`` is set."""
        self.start()
        stopping.wait()
        self.stop()


def run_feeder(
    shared: SharedSettings, settings: ScorerSettings, memory: Memory,
    registry: CollectorRegistry, stopping: threading.Event,
) -> None:  # fmt: skip
    """The feeder's process. One that died is followed by one that goes on with the same ads."""
    keep_freed_memory()
    encoder = Encoder(features(shared))
    metrics, pools = scorer_metrics(registry), pools_of(Arms.single(shared.model, 0.0), settings)
    arrays = AdArrays.attach(memory.ads, writable=True)
    catalogue = Catalogue(encoder, arrays, memory.folder, settings.shared_row_ads)
    memory.forget_unpublished()
    catalogue.take_over()
    if catalogue.loaded:
        catalogue.sort()
    feeding = Feeding(
        shared,
        settings,
        memory,
        catalogue,
        ModelHolder(),
        pools,
        metrics,
        RecentRequests(),
        lambda: None,
    )
    for thread in feeding.threads:
        thread.start()
    for thread in feeding.background:
        go_behind_requests(thread)
    stopping.wait()
    for thread in feeding.threads:
        thread.stop()
    for thread in feeding.threads:
        thread.join(_JOIN_SECONDS)


def run_worker(
    shared: SharedSettings, settings: ScorerSettings, memory: Memory,
    registry: CollectorRegistry, stopping: threading.Event,
) -> None:  # fmt: skip
    """A worker's process: answers from what the feeder has published."""
    encoder = Encoder(features(shared))
    metrics, pools = scorer_metrics(registry), pools_of(arms_of(shared, settings), settings)
    arrays = AdArrays.attach(memory.ads)
    catalogue = Catalogue(encoder, arrays, memory.folder, settings.shared_row_ads)
    holder = ModelHolder()
    recent = RecentRequests()
    serving = Serving(shared, settings, catalogue, holder, pools, metrics, recent)
    view = ModelView(
        memory, catalogue, holder, pools, settings, metrics, recent,
        on_model=lambda: serving.server.set_ready(True),
    )  # fmt: skip
    view.look()
    serving.server.start()
    threads = (view, *serving.threads)
    for thread in threads:
        thread.start()
    stopping.wait()
    end_serving(serving.server, settings)
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.join(_JOIN_SECONDS)


def end_serving(server: ScorerServer, settings: ScorerSettings) -> None:
    """Not ready, then no new requests, then the end of those under way."""
    server.drain()
    time.sleep(settings.drain_seconds)
    server.stop(settings.grace_seconds)
