"""Writes the world to Redis as the jobs would, in raw pipelined commands."""

import socket
from collections.abc import Iterator

from rich.progress import Progress

from schemas import redis_keys
from schemas.model_package import ModelPackage
from schemas.records import User
from schemas.redis_values import (
    ATTRIBUTES_FIELD,
    CLICKS_FIELD,
    COUNTER_FIELD_PREFIX,
    CounterRow,
    pack_clicks,
    versioned,
)
from tests.benchmarks.bench_scorer.world import COUNTED, FIRST_TS, USERS, World, user_attributes

_CHUNK = 100_000


class RawRedis:
    """Commands sent without waiting; ``drain`` reads what was answered and fails on an error."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._answers = self._socket.makefile("rb")
        self._sent = 0

    def send(self, *parts: bytes) -> None:
        """One command."""
        self.send_packed(len(parts), b"".join(map(bulk, parts)))

    def send_packed(self, parts: int, data: bytes) -> None:
        """One command of so many parts, each as ``bulk`` writes it."""
        self._socket.sendall(b"*%d\r\n%b" % (parts, data))
        self._sent += 1

    def drain(self) -> None:
        """All commands sent so far were done."""
        for _ in range(self._sent):
            line = self._answers.readline()
            if line[:1] not in (b"+", b":"):
                raise RuntimeError(f"Redis answered {line!r}")
        self._sent = 0

    def close(self) -> None:
        """The end."""
        self._answers.close()
        self._socket.close()


def bulk(part: bytes) -> bytes:
    """A part of a command as it is sent."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def write_package(redis: RawRedis, package: ModelPackage) -> None:
    """Store a package, each chunk after the one before, as the jobs do, and make it current."""
    for key, value in package.writes():
        redis.send(b"SET", key.encode(), value)
        redis.drain()
    current = redis_keys.model_current(package.manifest.model)
    redis.send(b"SET", current.encode(), package.manifest.version.encode())
    redis.drain()


def write_users(redis: RawRedis, ads: int) -> None:
    """USERS users with five last clicks and a counter."""
    for user in range(USERS):
        user_id = f"u{user}"
        clicked = [f"a{(user * 7919 + 31 * i) % ads}" for i in range(5)]
        record = User(user_id, FIRST_TS, user_attributes(user)).encode()
        row = CounterRow((1, 5, 20, 20 + user % 80), (0, 1, 2, 2 + user % 5))
        redis.send(
            b"HSET", redis_keys.user(user_id).encode(),
            ATTRIBUTES_FIELD, versioned(FIRST_TS, record),
            CLICKS_FIELD, versioned(FIRST_TS, pack_clicks(clicked)),
            COUNTER_FIELD_PREFIX + b"user", versioned(FIRST_TS, row.pack()),
        )  # fmt: skip
        if user % 1_000 == 0:
            redis.drain()
    redis.drain()


def write_ads(redis: RawRedis, world: World, progress: Progress) -> None:
    """All ads and the counters of the first ones."""
    task = progress.add_task("ads to Redis", total=world.ads)
    for start in range(0, world.ads, _CHUNK):
        stop = min(start + _CHUNK, world.ads)
        _write_rows(redis, redis_keys.ADS, world.values(start, stop))
        progress.update(task, completed=stop)
    _write_rows(redis, redis_keys.COUNTERS, counters(world))


def counters(world: World) -> Iterator[tuple[bytes, bytes]]:
    """Keys and stored values of the counters of the ads that were shown."""
    for number in range(min(COUNTED, world.ads)):
        yield f"ad:a{number}".encode(), versioned(FIRST_TS, counter_row(number).pack())


def counter_row(number: int) -> CounterRow:
    """What was counted for an ad."""
    week = 20 + number * 7919 % 5_000
    clicks = week * (1 + number % 9) // 100
    return CounterRow(
        (week // 600, week // 160, week // 7, week),
        (clicks // 600, clicks // 160, clicks // 7, clicks),
    )


def _write_rows(redis: RawRedis, key: str, rows: Iterator[tuple[bytes, bytes]]) -> None:
    shards: list[list[bytes]] = [[] for _ in range(redis_keys.SHARDS)]
    for name, value in rows:
        shards[redis_keys.shard(name.decode())] += (name, value)
    for number, shard in enumerate(shards):
        if shard:
            redis.send(b"HSET", (key % number).encode(), *shard)
    redis.drain()
