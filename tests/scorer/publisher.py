"""What the jobs write to Redis, written by a test."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import redis

from schemas import redis_keys, row_changes
from schemas.model_package import ModelPackage
from schemas.records import Ad, User
from schemas.redis_values import (
    ATTRIBUTES_FIELD,
    CLICKS_FIELD,
    COUNTER_FIELD_PREFIX,
    CounterRow,
    pack_clicks,
    versioned,
)
from schemas.row_changes import ChangeKind, RowChange
from schemas.row_delta import RowDelta
from tests.schemas.rows_hash import rows_to_hash
from tests.scorer.tiny_model import SPEC

MODEL = "deepfm"
ADS = 40
DIM = SPEC.embedding_dim


class Publisher:
    """Packages, row deltas, ads, counters and users."""

    def __init__(self, client: redis.Redis) -> None:
        #: Its declared types know text only, we store bytes.
        self.client: Any = client

    def package(self, package: ModelPackage, current: bool = True) -> None:
        """Store a package and switch to it."""
        for key, value in package.writes():
            self.client.set(key, value)
        if current:
            self.client.set(redis_keys.model_current(MODEL), package.manifest.version)

    def delta(self, delta: RowDelta, compacted: bool = True) -> None:
        """Store rows and announce them; without ``compacted`` the announcement only."""
        if compacted and len(delta.ids):
            self.compacted(delta)
        self.entry(delta.base_version, delta.to_fields())

    def compacted(self, delta: RowDelta) -> None:
        """Store the rows of a delta without announcing them."""
        rows = rows_to_hash(delta.ids, delta.values)
        self.client.hset(redis_keys.model_rows(MODEL, delta.base_version), mapping=rows)

    def entry(self, version: str, fields: Mapping[bytes, bytes]) -> None:
        """Any entry of the deltas stream."""
        self.client.xadd(redis_keys.model_deltas(MODEL, version), dict(fields))

    def ads(self, *ads: Ad, announce: bool = True) -> None:
        """Store ads and announce them."""
        changes = [RowChange(ad.ad_id, versioned(ad.ts, ad.encode())) for ad in ads]
        for change in changes:
            shard = redis_keys.ads(redis_keys.shard(change.key))
            self.client.hset(shard, change.key, change.value)
        if announce:
            self._announce("ads", changes)

    def delete_ad(self, ad_id: str, ts: int) -> None:
        """Delete an ad and announce it."""
        self.client.hdel(redis_keys.ads(redis_keys.shard(ad_id)), ad_id)
        self._announce("ads", [RowChange(ad_id, versioned(ts, b""))])

    def counters(self, rows: Mapping[str, CounterRow], ts: int, announce: bool = True) -> None:
        """Store counters by key and announce them."""
        changes = [RowChange(key, versioned(ts, row.pack())) for key, row in rows.items()]
        for change in changes:
            shard = redis_keys.counters(redis_keys.shard(change.key))
            self.client.hset(shard, change.key, change.value)
        if announce:
            self._announce("counters", changes)

    def raw_changes(self, kind: ChangeKind, changes: Sequence[RowChange]) -> None:
        """Announce changes as they are."""
        self._announce(kind, changes)

    def _announce(self, kind: ChangeKind, changes: Sequence[RowChange]) -> None:
        self.client.xadd(redis_keys.CHANGES, dict(row_changes.to_fields(kind, changes)))

    def user(
        self,
        user_id: str,
        attributes: Mapping[str, str],
        clicked: Sequence[str] = (),
        counter: CounterRow | None = None,
    ) -> None:
        """Store a user's row."""
        ts = 1
        fields = {
            ATTRIBUTES_FIELD: versioned(ts, User(user_id, ts, attributes).encode()),
            CLICKS_FIELD: versioned(ts, pack_clicks(clicked)),
        }
        if counter is not None:
            fields[COUNTER_FIELD_PREFIX + b"user"] = versioned(ts, counter.pack())
        self.client.hset(redis_keys.user(user_id), mapping=fields)


def row_delta(
    version: str,
    sequence: int,
    rows: Mapping[int, Sequence[float]],
    epoch: str = "e1",
    click_ts: Sequence[int] = (),
    width: int = 1 + DIM,
) -> RowDelta:
    """A delta that sets whole rows."""
    return RowDelta(
        base_version=version,
        epoch=epoch,
        sequence=sequence,
        ids=np.array(list(rows), np.int32),
        values=np.array(list(rows.values()), np.float32).reshape(len(rows), width),
        click_ts=np.array(click_ts, np.int64),
    )


def ad(number: int, ts: int = 1, status: str = "ACTIVE", price: int = 1_000, **more: str) -> Ad:
    """An ad whose attributes follow from its number, unless given."""
    attributes = {
        "category": f"c{number % 3}",
        "advertiser": f"v{number % 5}",
        "size": str(number % 7),
        **more,
    }
    return Ad(f"ad-{number}", ts, status, price, attributes)


def counter_row(impressions: int, clicks: int) -> CounterRow:
    """The same counts in all windows."""
    return CounterRow((impressions,) * 4, (clicks,) * 4)


def wall_ms() -> int:
    """Now, for event times that are compared with the clock."""
    return time.time_ns() // 1_000_000
