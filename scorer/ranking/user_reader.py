"""One read of a user from Redis within a time budget; late or away means no user, not an error."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import redis
import structlog
from prometheus_client import Counter
from redis.exceptions import RedisClusterException

from schemas import redis_keys
from schemas.addresses import RedisAddress
from schemas.redis_values import UserRow, user_row
from stores.redis_client import connect, look_again, node_of

_log = structlog.get_logger(__name__)

#: After so many failures in a row, one request in each pause reads: waiting for a dead Redis
#: would hold every thread. The first pause is short, as all threads fail when a core was away for a
#: moment, and each further failure doubles it.
FAILURES_BEFORE_PAUSE = 3
FIRST_PAUSE_SECONDS = 0.03
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class UserQuestion:
    """A read under way; no ``connection``: it could not be sent, or was not tried."""

    user_id: str
    connection: Any


class UserReader:
    """A blocking connection for each thread: half the CPU of a pooled client."""

    def __init__(
        self,
        redis_address: RedisAddress | str,
        timeout_seconds: float,
        reads: Counter,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._client = connect(
            redis_address, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
        )
        self._timeout_seconds = timeout_seconds
        self._reads = {name: reads.labels(name) for name in ("found", "unknown", "late", "damaged")}
        self._clock = clock
        self._local = threading.local()
        self._failures = 0
        self._paused_until = 0.0

    def ask(self, user_id: str) -> UserQuestion:
        """Send the read; Redis works on it beside what the caller does before ``answer``."""
        now = self._clock()
        if now < self._paused_until:
            return UserQuestion(user_id, None)
        if self._failures >= FAILURES_BEFORE_PAUSE:
            self._paused_until = now + self._pause()
        key = redis_keys.user(user_id)
        try:
            connection = self._connection(node_of(self._client, key))
            connection.send_command("HGETALL", key)
        except (redis.RedisError, RedisClusterException, OSError):  # no node may hold the key
            self._failed()
            return UserQuestion(user_id, None)
        self._local.unread = connection
        return UserQuestion(user_id, connection)

    def answer(self, question: UserQuestion, seconds: float) -> UserRow | None:
        """The user's row, empty for an unknown one; None if it does not come within ``seconds``.

        For the thread that asked.
        """
        if question.connection is None:
            self._reads["late"].inc()
            return None
        try:
            fields = self._fields(question.connection, seconds)
        except (redis.RedisError, OSError):
            self._reads["late"].inc()
            self._failed()
            return None
        self._failures, self._paused_until = 0, 0.0
        try:
            row = user_row(question.user_id, fields)
        except ValueError:
            self._reads["damaged"].inc()
            return None
        self._reads["found" if fields else "unknown"].inc()
        return row

    def read(self, user_id: str, seconds: float) -> UserRow | None:
        """Ask, and wait for the answer."""
        return self.answer(self.ask(user_id), seconds)

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_PAUSE:
            self._paused_until = self._clock() + self._pause()
            self._look_again()

    def _pause(self) -> float:
        doublings = min(self._failures - FAILURES_BEFORE_PAUSE, 10)
        return min(PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**doublings)

    def _fields(self, connection: Any, seconds: float) -> dict[bytes, bytes]:
        try:
            # The connection's own timeout need not be set for each read.
            if seconds < self._timeout_seconds and not connection.can_read(timeout=seconds):
                raise redis.TimeoutError(f"no answer in {seconds} s")
            answer = connection.read_response()
        except redis.ResponseError:
            self._local.unread = None
            raise
        except BaseException:
            # An answer that comes later must never be taken for that of the next request.
            self._drop_unread()
            raise
        self._local.unread = None
        return dict(zip(answer[::2], answer[1::2], strict=True))

    def _drop_unread(self) -> None:
        self._local.unread.disconnect()
        self._local.unread = None

    def _connection(self, server: redis.Redis) -> Any:
        if not hasattr(self._local, "connections"):
            self._local.connections, self._local.unread = {}, None
        if self._local.unread is not None:  # the request that asked has failed before its answer
            self._drop_unread()
        connections: dict[redis.Redis, Any] = self._local.connections
        if server not in connections:
            connections[server] = server.connection_pool.make_connection()
        return connections[server]

    def _look_again(self) -> None:
        """A node of a cluster may have moved or died; a request does not wait to hear of it."""
        threading.Thread(target=self._look, name="cluster-nodes", daemon=True).start()

    def _look(self) -> None:
        try:
            look_again(self._client)
        except (redis.RedisError, RedisClusterException) as error:
            _log.warning("no node of the cluster answers", error=str(error))
