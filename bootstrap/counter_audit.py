"""Counters in Redis against a plain recomputation from the lake, row by row as of its version.

Of keys with an event within the longest window: their rows are no older, so that events from twice
as long ago say all of them, however long the lake goes back.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from schemas import redis_keys
from schemas.avro_codec import DecodeError
from schemas.features import FeatureSpec
from schemas.lake import SAMPLES
from schemas.records import Ad
from schemas.redis_values import COUNTER_FIELD_PREFIX, CounterRow, split_version
from schemas.windows import TILES_PER_WINDOW, WINDOWS_MS
from stores.lake.reader import hours_of, read_hour

COLUMNS = ("kind", "request_id", "ad_id", "user_id", "ts", "label_ts", "click_ts", "sample_weight")
LONGEST_MS = max(WINDOWS_MS.values())
MOST_LISTED = 20
ROWS_AT_ONCE = 1_000
#: Two tasks of the job may be so far apart.
OUT_OF_ORDER_MS = 1_000
Events = dict[str, list[tuple[int, bool]]]
"""Counter key to the times in ms of its events, and whether each is a click."""
Impressions = dict[tuple[str, str, str], tuple[int, int | None, float]]
"""Request, ad and user to time of the impression, time of its click, and weight."""
Place = tuple[str, str | bytes]
"""A hash of Redis and a field of it."""


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
    shown, waited_ms = _impressions(lake)
    audit = CounterAudit()
    # Of thinned negatives nobody knows how many impressions a key had.
    audit.clicks_only = any(weight > 1.0 for _, _, weight in shown.values())
    audit.unchecked = tuple(n for n, parts in spec.counters.items() if not _is_told(parts))
    # Impressions without a click are labelled in their order, when their label wait is over: up to
    # here the lake knows all of them, and before the first one nothing is known.
    known_until = waited_ms - OUT_OF_ORDER_MS
    events = _events(client, spec, shown)
    for key, version, stored in _stored(client, spec, events):
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


def _impressions(lake: Path) -> tuple[Impressions, int]:
    """Those that were labelled within twice the longest window, and the time of the newest one that
    has no click after its label wait, 0 without any."""
    shown: Impressions = {}
    waited_ms, hours = 0, hours_of(lake, SAMPLES)
    begin = hours[-1].end - timedelta(milliseconds=2 * LONGEST_MS)
    for hour in hours:
        if hour.end <= begin:
            continue
        for row in read_hour(lake, SAMPLES, hour, COLUMNS).to_pylist():
            if row["kind"] == "MATURE":
                continue
            key = (row["request_id"], row["ad_id"], row["user_id"])
            before = shown.get(key, (0, None, 1.0))
            click = None if row["click_ts"] is None else ms(row["click_ts"])
            weight = max(before[2], row["sample_weight"])
            shown[key] = (ms(row["ts"]), click if click is not None else before[1], weight)
            if row["kind"] == "NEGATIVE":
                waited_ms = max(waited_ms, ms(row["ts"]))
    return shown, waited_ms


def _events(client: Any, spec: FeatureSpec, shown: Mapping[Any, Any]) -> Events:
    ads = sorted({ad for _, ad, _ in shown})
    rows = _rows(client, [(redis_keys.ads(redis_keys.shard(ad)), ad) for ad in ads])
    attributes = {ad: _attributes(row) for ad, row in zip(ads, rows, strict=True)}
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
    # A tile less than the window: labels, by which the lake was read, lag behind events.
    newest = {key: max(ts for ts, _ in of_key) for key, of_key in events.items()}
    begin = max(newest.values(), default=0) - LONGEST_MS + LONGEST_MS // TILES_PER_WINDOW
    return {key: of_key for key, of_key in events.items() if newest[key] >= begin}


def _attributes(value: bytes | None) -> Mapping[str, str]:
    try:
        return {} if value is None else Ad.decode(split_version(value)[1]).attributes
    except (DecodeError, ValueError):
        return {}


def _stored(
    client: Any, spec: FeatureSpec, events: Events
) -> Iterator[tuple[str, int, CounterRow]]:
    """Key, version and row of each counter whose events the lake has; absent rows are of now."""
    for key, raw in zip(events, _rows(client, [_place(spec, key) for key in events]), strict=True):
        if raw is None:
            newest = max(ts for ts, _ in events[key])
            yield key, newest, CounterRow((0,) * len(WINDOWS_MS), (0,) * len(WINDOWS_MS))
            continue
        version, body = split_version(raw)
        yield key, version, CounterRow.unpack(body)


def _place(spec: FeatureSpec, key: str) -> Place:
    name, _, value = key.partition(":")
    if name in spec.user_counters:
        return redis_keys.user(value), COUNTER_FIELD_PREFIX + name.encode()
    return redis_keys.counters(redis_keys.shard(key)), key


def _rows(client: Any, places: Sequence[Place]) -> Iterator[bytes | None]:
    """What is stored at each place, some of them at a time."""
    for start in range(0, len(places), ROWS_AT_ONCE):
        pipeline = client.pipeline(transaction=False)
        for place in places[start : start + ROWS_AT_ONCE]:
            pipeline.hget(*place)
        yield from pipeline.execute()
