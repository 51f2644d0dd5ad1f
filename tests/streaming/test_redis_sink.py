"""The Redis writer against a real Redis: newest wins, repeats and restarts change nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from redis.crc import key_slot
from streaming.redis_sink.writer import RedisWriter

from schemas import redis_keys, row_changes
from schemas.features import FeatureSpec
from schemas.records import Ad, User
from schemas.redis_values import CounterRow, split_version, user_row
from schemas.row_changes import RowChange
from streaming.redis_sink.pipeline import RedisPipeline, RedisUnavailableError

WORLD = FeatureSpec.load("world")
NOW_MS = 1_700_000_000_000
ONE = (1, 1, 1, 1)
ZERO = (0, 0, 0, 0)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def writer(redis_url: str, registry: CollectorRegistry) -> RedisWriter:
    return RedisWriter(redis_url, WORLD, registry, now_ms=lambda: NOW_MS)


def put_counter(
    writer: RedisWriter, key: str, version: int, count: int, click_ts: int | None = None
) -> None:
    impressions = tuple(count * one for one in ONE)
    writer.write_counters([key], [version], [impressions], [ZERO], [click_ts])


def counter(client: redis.Redis, key: str) -> tuple[int, CounterRow] | None:
    value: Any = client.hget(redis_keys.counters(redis_keys.shard(key)), key)
    if value is None:
        return None
    version, body = split_version(value)
    return version, CounterRow.unpack(body)


def changes(client: redis.Redis) -> list[tuple[str, list[RowChange]]]:
    entries: Any = client.xrange(redis_keys.CHANGES)
    return [row_changes.from_fields(fields) for _, fields in entries]


def test_counters_go_where_readers_look(client: redis.Redis, writer: RedisWriter) -> None:
    keys = ["ad:7", "advertiser:acme", "user:u1", "segment_category:young|cars"]
    impressions = [(1, 2, 3, 4), (5, 6, 7, 8), (9, 9, 9, 9), ONE]
    writer.write_counters(keys, [10] * 4, impressions, [ZERO, ONE, ONE, ZERO], [None] * 4)

    assert counter(client, "ad:7") == (10, CounterRow((1, 2, 3, 4), ZERO))
    assert counter(client, "segment_category:young|cars") == (10, CounterRow(ONE, ZERO))
    assert counter(client, "user:u1") is None
    fields: Any = client.hgetall(redis_keys.user("u1"))
    assert user_row("u1", fields).counters == {"user": CounterRow((9, 9, 9, 9), ONE)}
    # Scorers hold what belongs to ads; the rest is not announced.
    ((kind, rows),) = changes(client)
    assert kind == "counters"
    assert [row.key for row in rows] == ["ad:7", "advertiser:acme"]


def test_user_row_is_one_key_that_expires(client: redis.Redis, writer: RedisWriter) -> None:
    profile = User("u1", 5, {"segment": "young"}).encode()
    writer.write_users(["u1"], [5], [profile])
    writer.write_clicks(["u1"], [6], [["ad-2", "ad-1"]])
    fields: Any = client.hgetall(redis_keys.user("u1"))
    row = user_row("u1", fields)
    assert row.attributes == {"segment": "young"}
    assert row.clicked_ads == ("ad-2", "ad-1")
    left: Any = client.ttl(redis_keys.user("u1"))
    assert redis_keys.USER_TTL_SECONDS - 60 < left <= redis_keys.USER_TTL_SECONDS
    writer.write_users(["u1"], [7], [None])
    writer.write_clicks(["u1"], [7], [[]])
    assert client.exists(redis_keys.user("u1")) == 0


def test_older_version_is_refused_equal_one_repeats(
    client: redis.Redis, writer: RedisWriter
) -> None:
    put_counter(writer, "ad:1", version=20, count=2)
    put_counter(writer, "ad:1", version=10, count=1)
    assert counter(client, "ad:1") == (20, CounterRow((2, 2, 2, 2), ZERO))
    put_counter(writer, "ad:1", version=20, count=3)
    assert counter(client, "ad:1") == (20, CounterRow((3, 3, 3, 3), ZERO))


def test_versions_compare_as_numbers_not_as_text(client: redis.Redis, writer: RedisWriter) -> None:
    for version in (255, 256, 65_536, 1 << 40):
        put_counter(writer, "ad:1", version, count=1)
        assert counter(client, "ad:1") == (version, CounterRow(ONE, ZERO))


def test_ads_are_stored_announced_and_deleted(client: redis.Redis, writer: RedisWriter) -> None:
    body = Ad("ad-1", 5, "ACTIVE", 100, {"category": "cars"}).encode()
    writer.write_ads(["ad-1", "ad-2"], [5, 5], [body, body])
    writer.write_ads(["ad-1"], [6], [None])
    shard = redis_keys.ads(redis_keys.shard("ad-1"))
    assert client.hget(shard, "ad-1") is None
    stored: Any = client.hget(redis_keys.ads(redis_keys.shard("ad-2")), "ad-2")
    assert split_version(stored) == (5, body)
    first, second = changes(client)
    assert first[0] == "ads"
    assert [row.key for row in first[1]] == ["ad-1", "ad-2"]
    assert second == ("ads", [RowChange("ad-1", (6).to_bytes(8, "big"))])


Step = tuple[int, int]  # which key, its count; 0 deletes


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
    client: redis.Redis, writer: RedisWriter, history: list[Step], data: st.DataObject
) -> None:
    client.flushdb()

    def play(start: int, end: int) -> None:
        for version in range(start, end):
            key, count = history[version]
            put_counter(writer, f"ad:{key}", version, count)

    crash = data.draw(st.integers(0, len(history)), label="crash")
    checkpoint = data.draw(st.integers(0, crash), label="checkpoint")
    play(0, crash)
    play(checkpoint, len(history))

    last = {key: (version, count) for version, (key, count) in enumerate(history)}
    for key in range(3):
        version, count = last.get(key, (0, 0))
        expected = (version, CounterRow((count,) * 4, ZERO)) if count else None
        assert counter(client, f"ad:{key}") == expected


def test_redis_restarted_empty_gets_its_functions_back(
    client: redis.Redis, writer: RedisWriter
) -> None:
    client.flushall()
    client.function_flush()
    put_counter(writer, "ad:1", version=1, count=1)
    assert counter(client, "ad:1") == (1, CounterRow(ONE, ZERO))


def test_one_entry_announces_many_rows(client: redis.Redis, writer: RedisWriter) -> None:
    keys = [f"ad:{number}" for number in range(10_001)]
    count = len(keys)
    writer.write_counters(keys, [1] * count, [ONE] * count, [ZERO] * count, [None] * count)
    assert [len(rows) for _, rows in changes(client)] == [10_000, 1]


def test_what_is_written_together_is_on_one_slot() -> None:
    assert key_slot(redis_keys.user("u1").encode()) == key_slot(b"u1")
    model = [
        redis_keys.model_current("m"),
        redis_keys.model_deltas("m", "v1"),
        redis_keys.model_rows("m", "v1"),
        redis_keys.model_learner("m"),
    ]
    assert len({key_slot(key.encode()) for key in model}) == 1
    shards = {key_slot(redis_keys.counters(number).encode()) for number in range(redis_keys.SHARDS)}
    assert len(shards) > 200


def test_freshness_and_rows_are_observed(writer: RedisWriter, registry: CollectorRegistry) -> None:
    put_counter(writer, "ad:1", version=1, count=1, click_ts=NOW_MS - 1_800)
    put_counter(writer, "ad:1", version=2, count=1, click_ts=None)
    value = registry.get_sample_value
    assert value("ctr_click_to_counter_seconds_count") == 1
    assert value("ctr_click_to_counter_seconds_sum") == pytest.approx(1.8)
    assert value("ctr_sink_rows_written_total", {"kind": "counters"}) == 2
    assert value("ctr_sink_batch_seconds_count") == 2


def test_empty_batch_writes_nothing(client: redis.Redis, writer: RedisWriter) -> None:
    writer.write_ads([], [], [])
    assert client.dbsize() == 0


def test_columns_of_unequal_length_are_refused(writer: RedisWriter) -> None:
    with pytest.raises(ValueError, match="shorter"):
        writer.write_clicks(["u1", "u2"], [1], [["a"], ["b"]])


class FlakyPipeline(RedisPipeline):
    """Cannot reach Redis for the first ``failures`` calls."""

    def __init__(self, redis_url: str, failures: int, sleep: Callable[[float], None]) -> None:
        super().__init__(redis_url, sleep=sleep)
        self.failures = failures

    def _send(self, fill: Any, transaction: bool) -> list[Any]:
        if self.failures:
            self.failures -= 1
            raise redis.ConnectionError("refused")
        return super()._send(fill, transaction)


def test_batch_waits_for_redis(
    redis_url: str, client: redis.Redis, registry: CollectorRegistry
) -> None:
    pauses: list[float] = []
    pipeline = FlakyPipeline(redis_url, failures=3, sleep=pauses.append)
    writer = RedisWriter(redis_url, WORLD, registry, pipeline)
    put_counter(writer, "ad:1", version=1, count=1)
    assert counter(client, "ad:1") == (1, CounterRow(ONE, ZERO))
    assert pauses == [0.05, 0.1, 0.2]


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
            lambda commands: commands.execute_command("HSET", "text", "field", "value")
        )
