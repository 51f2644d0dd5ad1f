"""Writers and readers against a real cluster of three nodes: all find what the others wrote."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry, Counter
from redis.crc import key_slot

from bootstrap.publisher import Publisher
from schemas import redis_keys
from schemas.model_package import Manifest, ModelPackage, fetch, file_entries
from schemas.records import User
from schemas.redis_values import versioned
from schemas.row_changes import RowChange
from scorer.ads.change_stream import read_entries, read_snapshot
from scorer.ranking.user_reader import UserReader
from stores.redis_client import connect, look_again, primaries
from streaming.readiness import require_redis
from streaming.redis_sink.catalogue_writer import CatalogueWriter
from streaming.redis_sink.pipeline import RedisPipeline

KEYS = [f"ad-{number}" for number in range(200)]


@pytest.fixture
def client(redis_cluster_url: str) -> Iterator[redis.Redis]:
    with connect(redis_cluster_url) as connection:
        yield connection


@pytest.fixture
def writer(redis_cluster_url: str) -> CatalogueWriter:
    return CatalogueWriter(RedisPipeline(redis_cluster_url))


def test_rows_of_all_nodes_are_read_as_they_were_written(
    client: redis.Redis, writer: CatalogueWriter
) -> None:
    writer.write_ads(KEYS, [5] * len(KEYS), [key.encode() for key in KEYS])
    writer.write_ads(KEYS[:9], [6] * 9, [None] * 9)
    held: list[Any] = [node.dbsize() for node in primaries(client)]
    assert len(held) == 3
    assert min(held) > 10
    snapshot = read_snapshot(client)
    expected = [RowChange(key, versioned(5, key.encode())) for key in KEYS[9:]]
    ads = [row for page in snapshot.ads for row in page]
    assert sorted(ads, key=lambda row: row.key) == sorted(expected, key=lambda row: row.key)
    assert snapshot.ad_count == len(expected)
    assert len(read_entries(client, redis_keys.CHANGES, "0-0", 10, None)) == 2


def test_a_user_is_read_from_the_node_that_has_it(
    redis_cluster_url: str, writer: CatalogueWriter
) -> None:
    users = [f"u{number}" for number in range(60)]
    profiles = [User(user, 5, {"segment": user}).encode() for user in users]
    writer.write_users(users, [5] * len(users), profiles)
    reads = Counter("reads", "Reads", ("outcome",), registry=CollectorRegistry())
    reader = UserReader(redis_cluster_url, 5.0, reads)
    rows = [reader.read(user, 5.0) for user in users]
    assert [row.attributes["segment"] for row in rows if row is not None] == users


def test_a_package_is_published_in_a_transaction_and_fetched(client: redis.Redis) -> None:
    files = {"table": b"x" * 1_000}
    manifest = Manifest(
        model="m",
        version="v1",
        created_ms=1,
        feature_fingerprint="f",
        files=file_entries(files),
    )
    publisher = Publisher(client, "m", keep_versions=3)
    publisher.publish(ModelPackage.checked(manifest, files), now_ms=1)
    assert publisher.current() == "v1"
    store: Any = client
    assert fetch("m", "v1", store.mget).files == files


def test_a_slot_that_moved_is_found(client: redis.Redis, writer: CatalogueWriter) -> None:
    writer.write_ads(["a"], [1], [b"before"])
    slot = key_slot(redis_keys.ads(redis_keys.shard("a")).encode())
    writer.write_ads(["a"], [2], [None])
    cluster: Any = client
    owner = cluster.get_node_from_key(redis_keys.ads(redis_keys.shard("a")))
    nodes = cluster.get_primaries()
    other = next(node for node in nodes if node.name != owner.name)
    other_id = cluster.cluster_myid(other)
    for node in (other, owner, *nodes):
        command = ("CLUSTER SETSLOT", slot, "NODE", other_id)
        cluster.get_redis_connection(node).execute_command(*command)
    writer.write_ads(["a"], [3], [b"after"])
    look_again(client)
    assert [row.key for page in read_snapshot(client).ads for row in page] == ["a"]


def test_a_cluster_is_ready(redis_cluster_url: str) -> None:
    require_redis(redis_cluster_url, 5.0)
