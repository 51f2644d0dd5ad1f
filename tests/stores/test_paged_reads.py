"""Pages of a real Redis: nothing is left out, and no page is long."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from stores.paged_reads import hash_pages, stream_entries, whole_hash


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.delete("large", "stream")
        yield client
        client.delete("large", "stream")


def test_a_large_hash_comes_by_pages(client: redis.Redis) -> None:
    client.hset("large", mapping={str(number): number for number in range(5_000)})
    pages = list(hash_pages(client, "large"))
    assert max(map(len, pages)) < 2_000
    assert whole_hash(client, "large") == client.hgetall("large")
    assert whole_hash(client, "none") == {}


def test_a_stream_comes_by_pages(client: redis.Redis) -> None:
    for number in range(1, 12):
        client.xadd("stream", {"number": number}, id=f"{number}-0")
    client.config_resetstat()
    assert list(stream_entries(client, "stream")) == client.xrange("stream")
    stats: Any = client.info("commandstats")
    assert stats["cmdstat_xrange"]["calls"] > 3
    some = stream_entries(client, "stream", after="2-0", upto="10-0")
    assert [int(entry[b"number"]) for _, entry in some] == list(range(3, 11))
    assert list(stream_entries(client, "stream", after="10-0", upto="2-0")) == []
