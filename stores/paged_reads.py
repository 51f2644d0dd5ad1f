"""Large hashes and streams of Redis, read without keeping others waiting: it does one thing at a
time."""

from collections.abc import Iterator
from typing import Any, cast

import redis

_FIELDS_PER_READ = 1_000
#: One may have a megabyte.
_ENTRIES_PER_READ = 4


def hash_pages(client: redis.Redis, key: str) -> Iterator[dict[bytes, bytes]]:
    """All fields of a hash, about a thousand a page. What is there from beginning to end comes, and
    what changes meanwhile as it was at some time, perhaps twice."""
    cursor = -1
    while cursor != 0:
        cursor, page = cast(
            "tuple[int, dict[bytes, bytes]]",
            client.hscan(key, max(cursor, 0), count=_FIELDS_PER_READ),
        )
        yield page


def whole_hash(client: redis.Redis, key: str) -> dict[bytes, bytes]:
    """All of its pages together, as HGETALL gives them."""
    fields: dict[bytes, bytes] = {}
    for page in hash_pages(client, key):
        fields.update(page)
    return fields


def stream_entries(
    client: redis.Redis, key: str, after: str = "0-0", upto: str = "+"
) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    """Entries after one id, up to and with another; also those that come meanwhile."""
    untyped: Any = client
    while found := untyped.xrange(key, f"({after}", upto, count=_ENTRIES_PER_READ):
        yield from found
        after = found[-1][0].decode()
