"""One read of a user from Redis within a time budget; late or away means no user, not an error."""

import threading
from collections.abc import Callable
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

#: After so many failures in a row, reads pause: waiting for a dead Redis would hold every thread.
FAILURES_BEFORE_PAUSE = 3
PAUSE_SECONDS = 0.1


class UserReader:
    """A blocking connection for each thread: half the CPU of a pooled client."""

    def __init__(
        self,
        redis_address: RedisAddress | str,
        timeout_seconds: float,
        reads: Counter,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = connect(
            redis_address, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
        )
        self._reads = {name: reads.labels(name) for name in ("found", "unknown", "late", "damaged")}
        self._clock = clock
        self._local = threading.local()
        self._failures = 0
        self._paused_until = 0.0

    def read(self, user_id: str, budget_seconds: float) -> UserRow | None:
        """The user's row, empty for an unknown one; None if it cannot be had in time."""
        timeout = min(self._timeout_seconds, budget_seconds)
        if timeout <= 0 or self._clock() < self._paused_until:
            self._reads["late"].inc()
            return None
        try:
            fields = self._fields(redis_keys.user(user_id), timeout)
        except (redis.RedisError, OSError):
            self._reads["late"].inc()
            self._failures += 1
            if self._failures >= FAILURES_BEFORE_PAUSE:
                self._paused_until = self._clock() + PAUSE_SECONDS
                self._look_again()
            return None
        self._failures = 0
        try:
            row = user_row(user_id, fields)
        except ValueError:
            self._reads["damaged"].inc()
            return None
        self._reads["found" if fields else "unknown"].inc()
        return row

    def _fields(self, key: str, timeout: float) -> dict[bytes, bytes]:
        connection = self._connection(node_of(self._client, key))
        try:
            connection.send_command("HGETALL", key)
            if not connection.can_read(timeout=timeout):
                raise redis.TimeoutError(f"no answer in {timeout} s")
            answer = connection.read_response()
        except redis.ResponseError:
            raise
        except BaseException:
            # An answer that comes later must never be taken for that of the next request.
            connection.disconnect()
            raise
        return dict(zip(answer[::2], answer[1::2], strict=True))

    def _connection(self, server: redis.Redis) -> Any:
        if not hasattr(self._local, "connections"):
            self._local.connections = {}
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
