"""The writers against a real Redis: newest wins, repeats and restarts change nothing."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from redis.crc import key_slot

from schemas import redis_keys, row_changes
from schemas.records import Ad, User
from schemas.redis_values import split_version, user_row
from schemas.row_changes import RowChange
from streaming.redis_sink.batch_writer import BatchWriter, RedisBatch
from streaming.redis_sink.catalogue_writer import CatalogueWriter
from streaming.redis_sink.pipeline import RedisPipeline, RedisUnavailableError

NOW_MS = 1_700_000_000_000


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def writer(redis_url: str) -> CatalogueWriter:
    return CatalogueWriter(RedisPipeline(redis_url))


def put_ad(writer: CatalogueWriter, ad_id: str, version: int, body: bytes | None) -> None:
    writer.write_ads([ad_id], [version], [body])


def stored(client: redis.Redis, ad_id: str) -> tuple[int, bytes] | None:
    value: Any = client.hget(redis_keys.ads(redis_keys.shard(ad_id)), ad_id)
    return None if value is None else split_version(value)


def changes(client: redis.Redis) -> list[tuple[str, list[RowChange]]]:
    entries: Any = client.xrange(redis_keys.CHANGES)
    return [row_changes.from_fields(fields) for _, fields in entries]


def test_users_are_one_key_each_that_expires(client: redis.Redis, writer: CatalogueWriter) -> None:
    # More users than shards: several in one call.
    users = [f"u{number}" for number in range(600)]
    profiles = [User(user, 5, {"segment": user}).encode() for user in users]
    writer.write_users(users, [5] * len(users), profiles)
    for user in users:
        fields: Any = client.hgetall(redis_keys.user(user))
        assert user_row(user, fields).attributes == {"segment": user}
    left: Any = client.ttl(redis_keys.user("u1"))
    assert redis_keys.USER_TTL_SECONDS - 60 < left <= redis_keys.USER_TTL_SECONDS
    writer.write_users(["u1"], [7], [None])
    assert client.exists(redis_keys.user("u1")) == 0


def test_older_version_is_refused_equal_one_repeats(
    client: redis.Redis, writer: CatalogueWriter
) -> None:
    put_ad(writer, "1", 20, b"two")
    put_ad(writer, "1", 10, b"one")
    put_ad(writer, "1", 10, None)
    assert stored(client, "1") == (20, b"two")
    put_ad(writer, "1", 20, b"three")
    assert stored(client, "1") == (20, b"three")


def test_versions_compare_as_numbers_not_as_text(
    client: redis.Redis, writer: CatalogueWriter
) -> None:
    for version in (255, 256, 65_536, 1 << 40):
        put_ad(writer, "1", version, b"body")
        assert stored(client, "1") == (version, b"body")


def test_ads_are_stored_announced_and_deleted(client: redis.Redis, writer: CatalogueWriter) -> None:
    body = Ad("ad-1", 5, "ACTIVE", 100, {"category": "cars"}).encode()
    writer.write_ads(["ad-1", "ad-2"], [5, 5], [body, body])
    put_ad(writer, "ad-1", 6, None)
    assert stored(client, "ad-1") is None
    assert stored(client, "ad-2") == (5, body)
    first, second = changes(client)
    assert first[0] == "ads"
    assert [row.key for row in first[1]] == ["ad-1", "ad-2"]
    assert second == ("ads", [RowChange("ad-1", (6).to_bytes(8, "big"))])


Step = tuple[int, int]  # which key, its value; 0 deletes


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    history=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12),
    data=st.data(),
)
def test_a_replay_ends_where_the_first_run_ended(
    client: redis.Redis, writer: CatalogueWriter, history: list[Step], data: st.DataObject
) -> None:
    client.flushdb()

    def play(start: int, end: int) -> None:
        for version in range(start, end):
            key, value = history[version]
            put_ad(writer, str(key), version, bytes([value]) if value else None)

    crash = data.draw(st.integers(0, len(history)), label="crash")
    checkpoint = data.draw(st.integers(0, crash), label="checkpoint")
    play(0, crash)
    play(checkpoint, len(history))

    last = {key: (version, value) for version, (key, value) in enumerate(history)}
    for key in range(3):
        version, value = last.get(key, (0, 0))
        assert stored(client, str(key)) == ((version, bytes([value])) if value else None)


def test_redis_restarted_empty_gets_its_functions_back(
    client: redis.Redis, writer: CatalogueWriter
) -> None:
    client.flushall()
    client.function_flush()
    put_ad(writer, "1", 1, b"body")
    assert stored(client, "1") == (1, b"body")


def test_one_entry_announces_many_rows(client: redis.Redis, writer: CatalogueWriter) -> None:
    keys = [f"ad-{number}" for number in range(10_001)]
    writer.write_ads(keys, [1] * len(keys), [b"body"] * len(keys))
    assert [len(rows) for _, rows in changes(client)] == [10_000, 1]


def test_what_is_written_together_is_on_one_slot() -> None:
    shard = redis_keys.shard("u1")
    together = [redis_keys.user("u1"), redis_keys.counters(shard), redis_keys.ads(shard)]
    assert len({key_slot(key.encode()) for key in together}) == 1
    model = [
        redis_keys.model_current("m"),
        redis_keys.model_deltas("m", "v1"),
        redis_keys.model_rows("m", "v1"),
        redis_keys.model_learner("m"),
    ]
    assert len({key_slot(key.encode()) for key in model}) == 1
    shards = {key_slot(redis_keys.counters(number).encode()) for number in range(redis_keys.SHARDS)}
    assert len(shards) > 200


def test_freshness_and_rows_are_observed(redis_url: str, registry: CollectorRegistry) -> None:
    writer = BatchWriter(RedisPipeline(redis_url), registry, now_ms=lambda: NOW_MS)
    command = b"*2\r\n$4\r\nHLEN\r\n$1\r\nx\r\n"
    writer.write(RedisBatch("counters", 5, [command], [0], click_ts=[NOW_MS - 1_800]))
    writer.write(RedisBatch("counters", 2, [command], [0]))
    value = registry.get_sample_value
    assert value("ctr_click_to_counter_seconds_count") == 1
    assert value("ctr_click_to_counter_seconds_sum") == pytest.approx(1.8)
    assert value("ctr_sink_rows_written_total", {"kind": "counters"}) == 7
    assert value("ctr_sink_batch_seconds_count") == 2


def test_columns_of_unequal_length_are_refused(writer: CatalogueWriter) -> None:
    with pytest.raises(ValueError, match="shorter"):
        writer.write_ads(["u1", "u2"], [1], [b"a", b"b"])


class FlakyPipeline(RedisPipeline):
    """Cannot reach Redis for the first ``failures`` calls."""

    def __init__(self, redis_url: str, failures: int, sleep: Callable[[float], None]) -> None:
        super().__init__(redis_url, sleep=sleep)
        self.failures = failures

    @property
    def client(self) -> redis.Redis:
        if self.failures:
            self.failures -= 1
            raise redis.ConnectionError("refused")
        return super().client


def test_batch_waits_for_redis(redis_url: str, client: redis.Redis) -> None:
    pauses: list[float] = []
    writer = CatalogueWriter(FlakyPipeline(redis_url, failures=5, sleep=pauses.append))
    put_ad(writer, "1", 1, b"body")
    assert stored(client, "1") == (1, b"body")
    # Each failure but the first is followed by one of looking again.
    assert pauses == [0.05, 0.1, 0.2]


def test_batch_waits_for_memory(redis_url: str, client: redis.Redis) -> None:
    """A full Redis refuses writes; once it has room the batch is written."""
    pauses: list[float] = []

    def make_room(seconds: float) -> None:
        pauses.append(seconds)
        client.config_set("maxmemory", 0)

    writer = CatalogueWriter(RedisPipeline(redis_url, sleep=make_room))
    client.config_set("maxmemory", 1)
    try:
        put_ad(writer, "1", 1, b"body")
    finally:
        client.config_set("maxmemory", 0)
    assert pauses
    assert stored(client, "1") == (1, b"body")


def test_a_slow_redis_holds_the_writer_back(client: redis.Redis, writer: CatalogueWriter) -> None:
    """So a job waits, and Kafka keeps the events."""
    client.client_pause(60_000, all=False)
    try:
        writing = threading.Thread(target=put_ad, args=(writer, "1", 1, b"body"))
        writing.start()
        writing.join(0.3)
        assert writing.is_alive()
        assert stored(client, "1") is None
    finally:
        client.client_unpause()
    writing.join(10)
    assert stored(client, "1") == (1, b"body")


def test_batch_gives_up_in_bounded_time() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    # Nothing listens on port 1.
    pipeline = RedisPipeline("redis://127.0.0.1:1/0", 5.0, clock=lambda: now[0], sleep=sleep)
    with pytest.raises(RedisUnavailableError, match="CTR_REDIS_URL"):
        pipeline.load_functions()
    assert 3 < now[0] <= 5


def test_refused_command_is_an_error(redis_url: str, client: redis.Redis) -> None:
    client.set("text", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        RedisPipeline(redis_url).execute(
            lambda commands: commands.execute_command("HSET", "text", "field", "value"), "text"
        )
