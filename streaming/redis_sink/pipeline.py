"""One Redis pipeline a batch, repeated while Redis is away; every batch is safe to repeat."""

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import redis
import structlog

from schemas.redis_keys import FUNCTION_SOURCE

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 2.0


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
        redis_url: str,
        retry_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client: redis.Redis = redis.Redis.from_url(
            redis_url, socket_timeout=10.0, socket_connect_timeout=2.0
        )
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._sleep = sleep

    def load_functions(self) -> None:
        """Install ctr_put_newer, replacing an older one. Raises RedisUnavailableError."""
        self.repeated(lambda: self.client.function_load(FUNCTION_SOURCE, replace=True))

    def execute(self, fill: Callable[[Commands], None], transaction: bool = False) -> list[Any]:
        """Send what ``fill`` queues, in order; answers in the same order.

        A Redis that came back without our functions gets them and the batch again. Raises
        RedisUnavailableError, or redis.ResponseError when a command itself is refused.
        """
        answers = self.repeated(lambda: self._send(fill, transaction))
        if any(_is_unknown_function(answer) for answer in answers):
            _log.info("redis has no functions of ours, loading them")
            self.load_functions()
            answers = self.repeated(lambda: self._send(fill, transaction))
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
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if self._clock() + delay_seconds > deadline:
                    raise RedisUnavailableError(
                        f"Redis has not answered for {self._retry_seconds:g} s: {error}; "
                        "is CTR_REDIS_URL right and Redis running?"
                    ) from error
                _log.warning("redis is away, trying again", error=str(error), wait=delay_seconds)
                self._sleep(delay_seconds)
                delay_seconds = min(2 * delay_seconds, LONGEST_DELAY_SECONDS)

    def _send(self, fill: Callable[[Commands], None], transaction: bool) -> list[Any]:
        with self.client.pipeline(transaction=transaction) as pipe:
            fill(pipe)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            # A Redis that is loading its data answers each command with this.
            if isinstance(answer, redis.ConnectionError):
                raise answer
        return answers


def _is_unknown_function(answer: object) -> bool:
    return isinstance(answer, redis.ResponseError) and "Function not found" in str(answer)
