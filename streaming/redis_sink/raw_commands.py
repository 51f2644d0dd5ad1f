"""Commands that are bytes already -> the servers that hold their keys, as pipelines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import redis
from hiredis import pack_command

from stores.redis_client import node_of


def packed(*parts: str | bytes | int) -> bytes:
    """One command in Redis' protocol."""
    command: bytes = pack_command(cast(Any, parts))
    return command


def send(client: redis.Redis, commands: Sequence[bytes], keys: Sequence[str]) -> list[Any]:
    """Answers in the order of ``commands``; one that was refused is its exception.

    ``keys`` has a key of each, whose hash tag tells the server. All servers work at the same time.
    """
    servers: dict[str, redis.Redis] = {key: node_of(client, key) for key in set(keys)}
    by_server: defaultdict[redis.Redis, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        by_server[servers[key]].append(index)
    answers: list[Any] = [None] * len(commands)
    with ExitStack() as stack:
        connections = [stack.enter_context(_connection(server)) for server in by_server]
        for connection, indexes in zip(connections, by_server.values(), strict=True):
            connection.send_packed_command([b"".join([commands[index] for index in indexes])])
        for connection, indexes in zip(connections, by_server.values(), strict=True):
            for index in indexes:
                try:
                    answers[index] = connection.read_response()
                except redis.ResponseError as error:
                    answers[index] = error
    return answers


@contextmanager
def _connection(server: redis.Redis) -> Iterator[Any]:
    pool: Any = server.connection_pool
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        # An answer that comes later must never be taken for that of the next command.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
