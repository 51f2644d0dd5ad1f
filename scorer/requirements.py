"""What a process of the scorer needs before it can start; each lack is a StartError."""

import shutil
import time

import redis
from prometheus_client import CollectorRegistry, start_http_server
from redis.exceptions import RedisClusterException

from schemas.features import FeatureError, FeatureSpec
from schemas.served_token import TokenKeys
from schemas.settings import SharedSettings
from scorer.api.tls import TlsError, TlsFiles
from scorer.experiments.arms import Arms, ArmsError
from scorer.experiments.exploration_pools import ExplorationPools
from scorer.kernels import StaleKernelsError, best_kernels
from scorer.memory.memory_folder import Memory
from scorer.settings import ScorerSettings
from stores.redis_client import connect

_REDIS_TIMEOUT_SECONDS = 5.0
#: An ad with its halves and its place in the index, twice while one model is swapped for the next.
_BYTES_PER_AD = 1_280
_MOST_ADS = 1 << 24


class StartError(RuntimeError):
    """Something that the scorer needs is missing; the message names it and the remedy."""


def serve_metrics(settings: ScorerSettings, registry: CollectorRegistry) -> None:
    """Answer Prometheus. Raises StartError if the port is taken."""
    if not settings.metrics_port:
        return
    try:
        start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as error:
        raise StartError(
            f"cannot listen on port {settings.metrics_port}: {error.strerror}; "
            "set CTR_SCORER_METRICS_PORT"
        ) from None


def pools_of(arms: Arms, settings: ScorerSettings) -> ExplorationPools:
    """Pools of the arms that explore."""
    return ExplorationPools(arms.arms, settings.candidates, seed=time.time_ns())


def memory_of(settings: ScorerSettings) -> Memory:
    """A new folder. Raises StartError."""
    try:
        return Memory.create(settings.memory_dir)
    except OSError as error:
        raise StartError(
            f"CTR_SCORER_MEMORY_DIR: {settings.memory_dir}: {error.strerror}"
        ) from None


def room_for_ads(settings: ScorerSettings) -> int:
    """How many ads to hold. Raises StartError: writing beyond the room would end the process."""
    Memory.sweep(settings.memory_dir)
    try:
        free = shutil.disk_usage(settings.memory_dir).free
    except OSError as error:
        raise StartError(
            f"CTR_SCORER_MEMORY_DIR: {settings.memory_dir}: {error.strerror}"
        ) from None
    room = free // _BYTES_PER_AD
    if room < (settings.max_ads or 1):
        raise StartError(
            f"CTR_SCORER_MEMORY_DIR: {settings.memory_dir} has {free >> 20} MiB free, room for "
            f"{room:,} ads, CTR_SCORER_MAX_ADS asks for {settings.max_ads or 1:,}: enlarge it (in "
            f"Docker --shm-size, /dev/shm has 64 MB), name another, or ask for fewer"
        )
    return settings.max_ads or min(room, _MOST_ADS)


def features(shared: SharedSettings) -> FeatureSpec:
    """The declared features. Raises StartError."""
    try:
        return FeatureSpec.load(shared.features)
    except FeatureError as error:
        raise StartError(str(error)) from None


def arms_of(shared: SharedSettings, settings: ScorerSettings) -> Arms:
    """The declared arms. Raises StartError."""
    if settings.arms is None:
        return Arms.single(shared.model, settings.epsilon)
    try:
        return Arms.load(settings.arms)
    except ArmsError as error:
        raise StartError(str(error)) from None


def token_keys(shared: SharedSettings) -> TokenKeys:
    """Keys of tokens. Raises StartError."""
    try:
        return TokenKeys.parse(shared.token_keys)
    except ValueError as error:
        raise StartError(str(error)) from None


def require_kernels() -> None:
    """Raises StartError if the kernels are not those of the sources."""
    try:
        best_kernels()
    except StaleKernelsError as error:
        raise StartError(str(error)) from None


def require_tls(settings: ScorerSettings) -> None:
    """Raises StartError if certificates are asked for that cannot be used."""
    try:
        files = TlsFiles.of(settings)
        if files is not None:
            files.read()
    except TlsError as error:
        raise StartError(str(error)) from None


def connected(shared: SharedSettings) -> redis.Redis:
    """A client of a Redis that answers. Raises StartError."""
    client = client_of(shared)
    try:
        client.ping()
    except redis.RedisError as error:
        raise _no_redis(error) from None
    return client


def client_of(shared: SharedSettings) -> redis.Redis:
    """A client of a Redis that may be away just now, unless it is a cluster. Raises StartError."""
    try:
        return connect(
            shared.redis,
            socket_timeout=_REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
        )
    except (redis.RedisError, RedisClusterException, ValueError) as error:
        raise _no_redis(error) from None


def _no_redis(error: Exception) -> StartError:
    return StartError(
        f"CTR_REDIS_URL: no Redis there: {error}; start one, or set the URL of one that runs"
    )
