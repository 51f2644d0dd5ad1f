"""The scorer's process: checks what it needs, builds the parts, wires them, runs until told."""

import threading
import time

import faiss
import redis
import structlog
from prometheus_client import CollectorRegistry, start_http_server
from redis.exceptions import RedisClusterException

from schemas.encoding import Encoder
from schemas.features import FeatureError, FeatureSpec
from schemas.served_token import TokenKeys
from schemas.settings import SharedSettings
from scorer.ad_arrays import AdArrays
from scorer.arms import Arms, ArmsError
from scorer.assignment import Assignment
from scorer.catalogue import Catalogue
from scorer.challengers import Challengers
from scorer.explaining import Explaining
from scorer.exploration_pools import ExplorationPools
from scorer.feeder import Feeder
from scorer.index_keeper import IndexKeeper
from scorer.memory import Memory
from scorer.metrics import scorer_metrics
from scorer.model_admin import ModelAdmin
from scorer.model_follower import ModelFollower
from scorer.model_holder import ModelHolder
from scorer.model_loader import ModelLoader
from scorer.ranking import Ranker
from scorer.server import PortError, ScorerServer
from scorer.servicer import ScorerServicer
from scorer.settings import ScorerSettings
from scorer.tls import TlsError
from scorer.tokens import TokenMint
from scorer.user_reader import UserReader
from scorer.validation import Validator
from stores.model_versions import ModelVersions
from stores.redis_client import connect

_log = structlog.get_logger(__name__)
_FEEDER_TIMEOUT_SECONDS = 5.0
_JOIN_SECONDS = 5.0


class StartError(RuntimeError):
    """Something that the scorer needs is missing; the message names it and the remedy."""


def wall_clock_ms() -> int:
    """Now, as Unix time."""
    return time.time_ns() // 1_000_000


class ScorerProcess:
    """Everything that runs, built and wired; no decision is taken here."""

    def __init__(
        self, shared: SharedSettings, settings: ScorerSettings, registry: CollectorRegistry
    ) -> None:
        """Raises StartError if Redis, the features, the keys or a port cannot be used."""
        spec, keys = _features(shared), _token_keys(shared)
        arms = _arms(shared, settings)
        client = _connected(shared)
        faiss.omp_set_num_threads(1)
        self._settings = settings
        self._registry = registry
        metrics = scorer_metrics(registry)
        encoder = Encoder(spec)
        holder = ModelHolder()
        self._memory = _memory(settings)
        arrays = AdArrays.create(self._memory.ads, encoder.layout, settings.max_ads)
        self.catalogue = Catalogue(encoder, arrays, self._memory.folder, settings.shared_row_ads)
        users = UserReader(shared.redis, settings.user_timeout_ms / 1000, metrics.user_reads)
        mint = TokenMint(spec, keys)
        versions = {name: ModelVersions(client, name) for name in (shared.model, *arms.models)}
        self.challengers = Challengers(
            (of for name, of in versions.items() if name != shared.model),
            encoder,
            metrics,
            settings.poll_seconds,
        )
        assignment = Assignment(arms, shared.model, self.challengers)
        self.pools = ExplorationPools(arms.arms, settings.candidates, seed=time.time_ns())
        self.ranker = Ranker(
            holder, self.catalogue, users, mint, assignment, self.pools, settings, metrics
        )
        servicer = ScorerServicer(
            self.ranker,
            Explaining(holder, assignment, self.catalogue, users),
            Validator(spec, arms.names, settings),
            settings.ranking_budget_ms / 1000,
            metrics,
        )
        admin = ModelAdmin(
            versions,
            settings.operator_token,
            lambda model: self._serving(shared.model, model),
            wall_clock_ms,
            metrics,
        )
        try:
            self.server = ScorerServer(servicer, admin, settings, metrics)
        except (PortError, TlsError) as error:
            raise StartError(str(error)) from None
        loader = ModelLoader(client, shared.model, self.catalogue, self._memory, settings)
        self._follower = ModelFollower(loader, holder, metrics, settings.poll_seconds)
        self._keeper = IndexKeeper(
            self.catalogue, holder, self.pools, self._memory, settings, metrics
        )
        self._feeder = Feeder(
            client,
            shared.model,
            self.catalogue,
            holder,
            self._follower,
            self._keeper,
            metrics,
            wall_clock_ms,
            on_model=lambda: self.server.set_ready(True),
        )
        self.holder = holder

    def _serving(self, main_model: str, model: str) -> str | None:
        """The version of a model that this process serves."""
        served = self.holder.current if model == main_model else self.challengers.get(model)
        return None if served is None else served.manifest.version

    def start(self) -> None:
        """Begin to answer and to follow Redis. Raises StartError if a port is taken."""
        settings = self._settings
        if settings.metrics_port:
            try:
                start_http_server(settings.metrics_port, settings.host, self._registry)
            except OSError as error:
                raise StartError(
                    f"cannot listen on port {settings.metrics_port}: {error.strerror}; "
                    "set CTR_SCORER_METRICS_PORT"
                ) from None
        self.server.start()
        for thread in (self._feeder, self._follower, self._keeper, self.challengers):
            thread.start()
        _log.info("scorer is up", port=self.server.port, metrics_port=settings.metrics_port)

    def stop(self) -> None:
        """Not ready, then no new requests, then the end of those under way."""
        _log.info("scorer stops")
        self.server.drain()
        time.sleep(self._settings.drain_seconds)
        self.server.stop(self._settings.grace_seconds)
        for thread in (self._follower, self._feeder, self._keeper, self.challengers):
            thread.stop()
        for thread in (self._follower, self._feeder, self._keeper, self.challengers):
            thread.join(_JOIN_SECONDS)
        self._memory.remove()

    def run(self, stopping: threading.Event) -> None:
        """Serve until ``stopping`` is set."""
        self.start()
        stopping.wait()
        self.stop()


def _memory(settings: ScorerSettings) -> Memory:
    try:
        return Memory.create(settings.memory_dir)
    except OSError as error:
        raise StartError(
            f"CTR_SCORER_MEMORY_DIR: {settings.memory_dir}: {error.strerror}"
        ) from None


def _features(shared: SharedSettings) -> FeatureSpec:
    try:
        return FeatureSpec.load(shared.features)
    except FeatureError as error:
        raise StartError(str(error)) from None


def _arms(shared: SharedSettings, settings: ScorerSettings) -> Arms:
    if settings.arms is None:
        return Arms.single(shared.model, settings.epsilon)
    try:
        return Arms.load(settings.arms)
    except ArmsError as error:
        raise StartError(str(error)) from None


def _token_keys(shared: SharedSettings) -> TokenKeys:
    try:
        return TokenKeys.parse(shared.token_keys)
    except ValueError as error:
        raise StartError(str(error)) from None


def _connected(shared: SharedSettings) -> redis.Redis:
    try:
        client = connect(
            shared.redis,
            socket_timeout=_FEEDER_TIMEOUT_SECONDS,
            socket_connect_timeout=_FEEDER_TIMEOUT_SECONDS,
        )
        client.ping()
    except (redis.RedisError, RedisClusterException, ValueError) as error:
        raise StartError(
            f"CTR_REDIS_URL: no Redis there: {error}; start one, or set the URL of one that runs"
        ) from None
    return client
