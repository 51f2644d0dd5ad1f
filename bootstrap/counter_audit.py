"""Counters in Redis against a plain recomputation from the lake, row by row as of its version."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import redis

from schemas import redis_keys
from schemas.avro_codec import DecodeError
from schemas.features import FeatureSpec
from schemas.lake import SAMPLES
from schemas.records import Ad
from schemas.redis_values import COUNTER_FIELD_PREFIX, CounterRow, split_version
from schemas.windows import TILES_PER_WINDOW, WINDOWS_MS
from stores.lake.reader import read_table

COLUMNS = ("kind", "request_id", "ad_id", "user_id", "ts", "label_ts", "click_ts", "sample_weight")
MOST_LISTED = 20
#: Two tasks of the job may be so far apart.
OUT_OF_ORDER_MS = 1_000
Events = dict[str, list[tuple[int, bool]]]
"""Counter key to the times in ms of its events, and whether each is a click."""


@dataclass(slots=True)
class CounterAudit:
    """``compared`` keys, of which ``different`` differ; ``newer`` ones had events of which the lake
    has no label yet. ``unchecked`` counters have keys that the lake does not tell."""

    compared: int = 0
    different: int = 0
    newer: int = 0
    clicks_only: bool = False
    unchecked: tuple[str, ...] = ()
    differences: list[dict[str, Any]] = field(default_factory=list)


def audit_counters(client: redis.Redis, spec: FeatureSpec, lake: Path) -> CounterAudit:
    """Raises LakeError, or redis.RedisError."""
    table = read_table(lake, SAMPLES, COLUMNS)
    shown = _impressions(table)
    audit = CounterAudit()
    # Of thinned negatives nobody knows how many impressions a key had.
    audit.clicks_only = any(weight > 1.0 for _, _, weight in shown.values())
    audit.unchecked = tuple(n for n, parts in spec.counters.items() if not _is_told(parts))
    # Impressions without a click are labelled in their order, when their label wait is over: up to
    # here the lake knows all of them, and before the first one nothing is known.
    unclicked = zip(table["kind"].to_pylist(), table["ts"].to_pylist(), strict=True)
    waited = (ms(ts) for kind, ts in unclicked if kind == "NEGATIVE")
    known_until = max(waited, default=0) - OUT_OF_ORDER_MS
    for key, version, stored in _stored(client, spec, events := _events(client, spec, shown)):
        if version > known_until:
            audit.newer += 1
            continue
        audit.compared += 1
        expected = counter_row(events.get(key, ()), version)
        if stored.clicks == expected.clicks and (
            audit.clicks_only or stored.impressions == expected.impressions
        ):
            continue
        audit.different += 1
        if len(audit.differences) < MOST_LISTED:
            audit.differences.append(
                {
                    "key": key,
                    "as_of_ms": version,
                    "redis": {"impressions": stored.impressions, "clicks": stored.clicks},
                    "lake": {"impressions": expected.impressions, "clicks": expected.clicks},
                }
            )
    return audit


def counter_row(events: Any, now_ms: int) -> CounterRow:
    """The obvious sums over all events of a key: those whose tile is among the newest ones."""
    impressions, clicks = [], []
    for window_ms in WINDOWS_MS.values():
        tile_ms = window_ms // TILES_PER_WINDOW
        oldest = now_ms // tile_ms - TILES_PER_WINDOW + 1
        inside = [is_click for ts, is_click in events if ts // tile_ms >= oldest]
        impressions.append(inside.count(False))
        clicks.append(inside.count(True))
    return CounterRow(tuple(impressions), tuple(clicks))


def ms(moment: Any) -> int:
    """Of a timestamp of the lake."""
    milliseconds: int = round(moment.timestamp() * 1000)
    return milliseconds


def _is_told(parts: tuple[str, ...]) -> bool:
    return parts == ("user.user_id",) or all(part.startswith("ad.") for part in parts)


def _impressions(table: pa.Table) -> dict[tuple[str, str, str], tuple[int, int | None, float]]:
    """Request, ad and user to time of the impression, time of its click, and weight."""
    shown: dict[tuple[str, str, str], tuple[int, int | None, float]] = {}
    for row in table.to_pylist():
        if row["kind"] == "MATURE":
            continue
        key = (row["request_id"], row["ad_id"], row["user_id"])
        before = shown.get(key, (0, None, 1.0))
        click = None if row["click_ts"] is None else ms(row["click_ts"])
        weight = max(before[2], row["sample_weight"])
        shown[key] = (ms(row["ts"]), click if click is not None else before[1], weight)
    return shown


def _events(client: Any, spec: FeatureSpec, shown: Mapping[Any, Any]) -> Events:
    ads = {ad for _, ad, _ in shown}
    attributes = {ad: _attributes(client, ad) for ad in ads}
    events: Events = defaultdict(list)
    for (_, ad, user), (ts, click, _) in shown.items():
        values = {"ad": {**attributes[ad], "ad_id": ad}, "user": {"user_id": user}}
        for name, parts in spec.counters.items():
            if not _is_told(parts):
                continue
            key = spec.counter_key(name, values)
            events[key].append((ts, False))
            if click is not None:
                events[key].append((click, True))
    return events


def _attributes(client: Any, ad_id: str) -> Mapping[str, str]:
    value = client.hget(redis_keys.ads(redis_keys.shard(ad_id)), ad_id)
    try:
        return {} if value is None else Ad.decode(split_version(value)[1]).attributes
    except (DecodeError, ValueError):
        return {}


def _stored(
    client: Any, spec: FeatureSpec, events: Events
) -> Iterator[tuple[str, int, CounterRow]]:
    """Key, version and row of each counter whose events the lake has; absent rows are of now."""
    of_users = {f"{name}:": name for name in spec.user_counters}
    for key in events:
        name, _, value = key.partition(":")
        if f"{name}:" in of_users:
            field_name = COUNTER_FIELD_PREFIX + name.encode()
            raw = client.hget(redis_keys.user(value), field_name)
        else:
            raw = client.hget(redis_keys.counters(redis_keys.shard(key)), key)
        if raw is None:
            newest = max(ts for ts, _ in events[key])
            yield key, newest, CounterRow((0,) * len(WINDOWS_MS), (0,) * len(WINDOWS_MS))
            continue
        version, body = split_version(raw)
        yield key, version, CounterRow.unpack(body)
