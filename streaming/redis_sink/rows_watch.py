"""Notices that Redis may have lost rows, and sees to it that all are written again.

ROWS_COMPLETE names the servers (by the id of their process) that have held all rows since they were
written. It is gone from a Redis that was emptied, and names other servers after a restart, in which
the last second may be lost, or a failover. Then counters are cleared, the job's operators are asked
for all their rows, and the catalogue is read again from its topics.
"""

import secrets
from collections.abc import Callable
from typing import Any

import structlog

from schemas import redis_keys
from stores.redis_client import primaries
from streaming.redis_sink.batch_writer import part_done
from streaming.redis_sink.catalogue_replay import CatalogueReplay
from streaming.redis_sink.pipeline import Commands, RedisPipeline

_log = structlog.get_logger(__name__)
REPLAY_SECONDS = 0.5
CATALOGUE = "catalogue"


class RowsWatch:
    """``operators`` is how many tasks will say that their part is done."""

    def __init__(
        self,
        pipeline: RedisPipeline,
        operators: int,
        new_replay: Callable[[], CatalogueReplay],
        new_request: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._pipeline = pipeline
        self._operators = operators
        self._new_replay = new_replay
        self._new_request = new_request
        self._request = ""
        self._servers = ""
        self._replay: CatalogueReplay | None = None

    def look(self) -> str | None:
        """To be called about once a second; a request for all rows, or None.

        Raises RedisUnavailableError, KafkaException, or OSError without the schema registry.
        """
        servers = self._pipeline.repeated(self._serving)
        if self._holds_all(servers):
            self._end()
            return None
        if not self._is_under_way(servers):
            return self._begin(servers)
        if self._replay is not None and self._replay.step(REPLAY_SECONDS):
            self._end_replay()
            part_done(self._pipeline, self._request, CATALOGUE)
        return None

    def close(self) -> None:
        """Free what a replay that is under way holds."""
        self._end_replay()

    def _begin(self, servers: str) -> str:
        self._end_replay()
        self._request, self._servers = self._new_request(), servers
        _log.info("redis may lack rows, all are written again", request=self._request)
        self._pipeline.load_functions()
        fields = ("request", self._request, "servers", servers, "parts", self._operators + 1)
        self._pipeline.execute(lambda commands: _note(commands, fields), redis_keys.REWRITE)
        # A row whose deletion was lost would never be deleted again.
        for shard in range(redis_keys.SHARDS):
            self._delete(redis_keys.counters(shard))
        self._replay = self._new_replay()
        self._replay.open()
        return self._request

    def _holds_all(self, servers: str) -> bool:
        client: Any = self._pipeline.client
        key, ttl = redis_keys.ROWS_COMPLETE, redis_keys.ROWS_TTL_SECONDS
        held: Any = self._pipeline.repeated(lambda: client.getex(key, ex=ttl))
        return held is not None and held.decode() == servers

    def _is_under_way(self, servers: str) -> bool:
        client: Any = self._pipeline.client
        known: Any = self._pipeline.repeated(lambda: client.hget(redis_keys.REWRITE, "request"))
        return (
            self._request != ""
            and self._servers == servers
            and known is not None
            and known.decode() == self._request
        )

    def _serving(self) -> str:
        servers: list[Any] = [server.info("server") for server in primaries(self._pipeline.client)]
        return ",".join(sorted(server["run_id"] for server in servers))

    def _delete(self, key: str) -> None:
        self._pipeline.repeated(lambda: self._pipeline.client.unlink(key))

    def _end(self) -> None:
        if self._request:
            _log.info("redis holds all rows", request=self._request)
            self._request = ""
        self._end_replay()

    def _end_replay(self) -> None:
        if self._replay is not None:
            self._replay.close()
            self._replay = None


def _note(commands: Commands, fields: tuple[str | int, ...]) -> None:
    commands.execute_command("DEL", redis_keys.REWRITE, redis_keys.ROWS_COMPLETE)
    commands.execute_command("HSET", redis_keys.REWRITE, *fields)
    commands.execute_command("EXPIRE", redis_keys.REWRITE, redis_keys.ROWS_TTL_SECONDS)
