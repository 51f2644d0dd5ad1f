"""One Redis pipeline a batch, repeated while Redis is away; every batch is safe to repeat."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import redis
import structlog
from redis.exceptions import (
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
)

from schemas.addresses import RedisAddress
from schemas.redis_keys import FUNCTION_SOURCE
from stores.redis_client import connect, look_again, node_of, primaries
from streaming.redis_sink import raw_commands

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 2.0
#: A server is away, full, or no longer the one that holds a key; MovedError is an AskError.
AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    RedisClusterException,
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)


class Commands(Protocol):
    """The part of a redis pipeline that fills it."""

    def execute_command(self, *args: Any) -> Any:
        """Queue one command."""


class RedisUnavailableError(ConnectionError):
    """Redis could not be reached for as long as was allowed; the caller's batch is not written."""


class RedisPipeline:
    """Sends batches of commands to one Redis and loads our server-side functions into it.

    ``retry_seconds`` bounds how long a batch waits for Redis.
    """

    def __init__(
        self,
        redis_address: RedisAddress | str,
        retry_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = redis_address
        self._client: redis.Redis | None = None
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._sleep = sleep

    @property
    def client(self) -> redis.Redis:
        """The client; a cluster is connected to when it is first asked for."""
        if self._client is None:
            self._client = connect(self._address, socket_timeout=10.0, socket_connect_timeout=2.0)
        return self._client

    def load_functions(self) -> None:
        """Install our functions, replacing older ones. Raises RedisUnavailableError."""
        self.repeated(self._load_functions)

    def execute(self, fill: Callable[[Commands], None], key: str) -> list[Any]:
        """Send what ``fill`` queues, in order; answers in the same order.

        All keys must be on the slot of ``key``. A Redis that came back without our functions gets
        them and the batch again. Raises RedisUnavailableError, or redis.ResponseError when a
        command itself is refused.
        """
        return self._answers(lambda: self._fill(fill, key))

    def execute_raw(self, commands: Sequence[bytes], keys: Sequence[str]) -> list[Any]:
        """Likewise, commands that are bytes already, each with one of its keys: on any slot."""
        return self._answers(lambda: raw_commands.send(self.client, commands, keys))

    def transact_raw(self, commands: Sequence[bytes], key: str) -> list[Any]:
        """Likewise, all or nothing; all keys must be on the slot of ``key``."""
        sent = [raw_commands.packed("MULTI"), *commands, raw_commands.packed("EXEC")]
        answers: list[Any] = self.execute_raw(sent, [key] * len(sent))[-1]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def repeated(self, call: Callable[[], _T]) -> _T:
        """The answer of ``call``, made again with growing pauses while Redis is away."""
        deadline = self._clock() + self._retry_seconds
        delay_seconds = FIRST_DELAY_SECONDS
        while True:
            try:
                return call()
            except AWAY as error:
                if self._clock() + delay_seconds > deadline:
                    raise RedisUnavailableError(
                        f"Redis has not answered for {self._retry_seconds:g} s: {error}; "
                        "is CTR_REDIS_URL right, is Redis running, and has it memory left?"
                    ) from error
                _log.warning(
                    "redis takes no writes, trying again", error=str(error), wait=delay_seconds
                )
                self._sleep(delay_seconds)
                delay_seconds = min(2 * delay_seconds, LONGEST_DELAY_SECONDS)
                self._look_again()

    def _answers(self, call: Callable[[], list[Any]]) -> list[Any]:
        answers = self.repeated(lambda: _present(call()))
        if any(_is_unknown_function(answer) for answer in answers):
            _log.info("redis has no functions of ours, loading them")
            self.load_functions()
            answers = self.repeated(lambda: _present(call()))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _fill(self, fill: Callable[[Commands], None], key: str) -> list[Any]:
        with node_of(self.client, key).pipeline(transaction=False) as pipe:
            fill(pipe)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        return answers

    def _load_functions(self) -> None:
        for server in primaries(self.client):
            server.function_load(FUNCTION_SOURCE, replace=True)

    def _look_again(self) -> None:
        try:
            look_again(self.client)
        except AWAY as error:
            _log.warning("no node of the cluster answers", error=str(error))


def _present(answers: list[Any]) -> list[Any]:
    """Raises what says that a server is away, such as one that is loading its data."""
    for answer in answers:
        if isinstance(answer, AWAY):
            raise answer
    return answers


def _is_unknown_function(answer: object) -> bool:
    return isinstance(answer, redis.ResponseError) and "Function not found" in str(answer)
