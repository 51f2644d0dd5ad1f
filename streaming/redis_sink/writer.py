"""Batches of counters, last clicks, ads and users -> Redis, absolute and versioned.

A version is event time in ms and only a newer or equal one is written, so a replay changes
nothing. A delete leaves no version behind: a replay that begins before the delete brings the row
back until it comes to that delete again. So it ends where the first run ended (a property test
shows it), and no store of dead keys grows.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry

from schemas import redis_keys, row_changes
from schemas.features import FeatureSpec
from schemas.redis_values import (
    ATTRIBUTES_FIELD,
    CLICKS_FIELD,
    COUNTER_FIELD_PREFIX,
    CounterRow,
    pack_clicks,
    versioned,
)
from schemas.row_changes import ChangeKind, RowChange
from streaming.metrics import sink_metrics
from streaming.redis_sink.pipeline import Commands, RedisPipeline

#: Bounds one entry of the changes stream to about a megabyte.
CHANGES_PER_ENTRY = 10_000


def wall_clock_ms() -> int:
    """Now, as Unix time."""
    return time.time_ns() // 1_000_000


class RedisWriter:
    """Writes batches; each method is one pipeline and one observation of the metrics.

    All methods take columns of equal length and raise RedisUnavailableError when Redis is away
    for longer than ``pipeline`` waits: nothing is acknowledged then, the caller starts again.
    """

    def __init__(
        self,
        redis_url: str,
        spec: FeatureSpec,
        registry: CollectorRegistry,
        pipeline: RedisPipeline | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._pipeline = pipeline or RedisPipeline(redis_url)
        self._user_counters = frozenset(spec.user_counters)
        self._ad_counters = frozenset(spec.ad_counters)
        self._metrics = sink_metrics(registry)
        self._now_ms = now_ms
        self._pipeline.load_functions()

    def write_counters(
        self,
        keys: Sequence[str],
        versions: Sequence[int],
        impressions: Sequence[Sequence[int]],
        clicks: Sequence[Sequence[int]],
        click_ts: Sequence[int | None],
    ) -> None:
        """Counter rows [n]; ``impressions`` and ``clicks`` [n][windows], schemas.windows order.

        A row that is all zero is deleted. ``click_ts`` is the time of a click that this row is
        the first to count, for the freshness histogram, or None.
        """
        batch = _Batch("counters")
        columns = zip(keys, versions, impressions, clicks, strict=True)
        for key, version, row_impressions, row_clicks in columns:
            row = CounterRow(tuple(row_impressions), tuple(row_clicks))
            value = versioned(version, b"" if row.is_zero else row.pack())
            counter, _, owner = key.partition(":")
            if counter in self._user_counters:
                batch.put_user(owner, COUNTER_FIELD_PREFIX + counter.encode(), value)
            else:
                batch.put(redis_keys.counters(redis_keys.shard(key)), key, value)
            if counter in self._ad_counters:
                batch.announce(key, value)
        self._write("counters", len(keys), batch)
        now_ms = self._now_ms()
        for ts in click_ts:
            if ts is not None:
                self._metrics.click_to_counter_seconds.observe((now_ms - ts) / 1000)

    def write_clicks(
        self, user_ids: Sequence[str], versions: Sequence[int], ad_id_lists: Sequence[Sequence[str]]
    ) -> None:
        """The last clicked ads of users [n], each newest first; an empty list deletes."""
        batch = _Batch("ads")
        for user_id, version, ad_ids in zip(user_ids, versions, ad_id_lists, strict=True):
            batch.put_user(user_id, CLICKS_FIELD, versioned(version, pack_clicks(ad_ids)))
        self._write("clicks", len(user_ids), batch)

    def write_users(
        self, user_ids: Sequence[str], versions: Sequence[int], values: Sequence[bytes | None]
    ) -> None:
        """Profiles [n] as encoded User records; None deletes."""
        batch = _Batch("ads")
        for user_id, version, body in zip(user_ids, versions, values, strict=True):
            batch.put_user(user_id, ATTRIBUTES_FIELD, versioned(version, body or b""))
        self._write("users", len(user_ids), batch)

    def write_ads(
        self, ad_ids: Sequence[str], versions: Sequence[int], values: Sequence[bytes | None]
    ) -> None:
        """Catalogue entries [n] as encoded Ad records; None deletes."""
        batch = _Batch("ads")
        for ad_id, version, body in zip(ad_ids, versions, values, strict=True):
            value = versioned(version, body or b"")
            batch.put(redis_keys.ads(redis_keys.shard(ad_id)), ad_id, value)
            batch.announce(ad_id, value)
        self._write("ads", len(ad_ids), batch)

    def _write(self, kind: str, count: int, batch: "_Batch") -> None:
        if count == 0:
            return
        with self._metrics.batch_seconds.time():
            self._pipeline.execute(batch.fill)
        self._metrics.rows_written.labels(kind).inc(count)


class _Batch:
    """Fields by Redis key, and what scorers must hear of."""

    def __init__(self, change_kind: ChangeKind) -> None:
        self._change_kind = change_kind
        self._fields: defaultdict[tuple[str, int], list[str | bytes]] = defaultdict(list)
        self._changes: list[RowChange] = []

    def put(self, key: str, field: str | bytes, value: bytes, ttl_seconds: int = 0) -> None:
        self._fields[key, ttl_seconds] += (field, value)

    def put_user(self, user_id: str, field: bytes, value: bytes) -> None:
        self.put(redis_keys.user(user_id), field, value, redis_keys.USER_TTL_SECONDS)

    def announce(self, key: str, value: bytes) -> None:
        self._changes.append(RowChange(key, value))

    def fill(self, commands: Commands) -> None:
        """Queue the batch. The changes come after the rows: whoever notes the stream's end,
        reads the rows and then follows the stream misses nothing."""
        for (key, ttl_seconds), fields in self._fields.items():
            commands.execute_command("FCALL", redis_keys.PUT_NEWER, 1, key, ttl_seconds, *fields)
        for start in range(0, len(self._changes), CHANGES_PER_ENTRY):
            changes = self._changes[start : start + CHANGES_PER_ENTRY]
            entry = row_changes.to_fields(self._change_kind, changes)
            commands.execute_command(
                "XADD",
                redis_keys.CHANGES,
                "MAXLEN",
                "~",
                redis_keys.CHANGES_MAX_ENTRIES,
                "*",
                *(part for item in entry.items() for part in item),
            )
