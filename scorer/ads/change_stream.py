"""Catalogue and counters from Redis: all of them once, then the stream of changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import redis

from schemas import redis_keys
from schemas.row_changes import RowChange
from stores.paged_reads import whole_hash

ENTRIES_PER_READ = 64
_Entries = Sequence[tuple[bytes, dict[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows of Redis, read while they are iterated; the stream goes on after ``entry_id``.

    ``ads`` and ``counters`` come in pages; ``ad_count`` is how many ads there are.
    """

    entry_id: str
    ad_count: int
    ads: Iterator[list[RowChange]]
    counters: Iterator[list[RowChange]]


def read_snapshot(client: redis.Redis) -> Snapshot:
    """Note the end of the stream, then read the rows: they are at least as new."""
    last = cast(_Entries, client.xrevrange(redis_keys.CHANGES, count=1))
    entry_id = last[0][0].decode() if last else "0-0"
    shards = range(redis_keys.SHARDS)
    ads = [redis_keys.ads(shard) for shard in shards]
    pipeline = client.pipeline(transaction=False)
    for key in ads:
        pipeline.hlen(key)
    count = sum(pipeline.execute())
    counters = [redis_keys.counters(shard) for shard in shards]
    return Snapshot(entry_id, count, _pages(client, ads), _pages(client, counters))


def _pages(client: redis.Redis, keys: Sequence[str]) -> Iterator[list[RowChange]]:
    for key in keys:
        fields = whole_hash(client, key)
        if fields:
            yield [RowChange(name.decode(), value) for name, value in fields.items()]


def read_entries(
    client: redis.Redis, key: str, after: str, count: int, block_ms: int | None
) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """At most ``count`` entries after an id; waits up to ``block_ms`` for the first, None: not."""
    answer = cast(
        "list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]",
        client.xread({key: after}, count=count, block=block_ms),
    )
    return [entry for _, entries in answer or [] for entry in entries]


def was_trimmed(client: redis.Redis, key: str, after: str) -> bool:
    """Whether entries after an id may be gone, or the stream was begun again.

    Needlessly true where only entries up to the id are gone: a reload too many does no harm.
    """
    first = cast(_Entries, client.xrange(key, count=1))
    last = cast(_Entries, client.xrevrange(key, count=1))
    position = _number(after)
    if not first:
        return position > (0, 0)
    if position == (0, 0):
        return False
    return _number(first[0][0].decode()) > position or _number(last[0][0].decode()) < position


def _number(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
