"""What must come out of the events job, worked out the obvious way from the whole history."""

import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from schemas.records import Click, Engagement, Impression, Served, TrainingSample
from schemas.redis_keys import USER_TTL_SECONDS
from schemas.redis_values import CounterRow
from schemas.windows import LAST_CLICKS, TILES_PER_WINDOW, WINDOWS_MS
from tests.streaming.jobs.event_journal import BEFORE_TIME, Entry

ORPHAN = "orphan-click: no impression within the attribution window"
TOO_LATE = "too-late: older than the attribution window at event time "


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide labels."""

    label_wait_ms: int = 60_000
    attribution_window_ms: int = 3_600_000
    negative_keep: float = 1.0
    mature: bool = False


@dataclass(slots=True)
class Expected:
    """Outputs; ``refused`` is place in Kafka to the begin of the reason."""

    engagements: list[Engagement] = field(default_factory=list)
    samples: list[TrainingSample] = field(default_factory=list)
    refused: dict[tuple[str, int, int], str] = field(default_factory=dict)


def weight(request_id: str, ad_id: str, keep: float) -> float:
    """Weight of a NEGATIVE as ctr.NegativeSampling has it, 0 if it is dropped."""
    digest = hashlib.sha256(f"{request_id}\0{ad_id}".encode()).digest()
    fraction = (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
    if keep >= 1:
        return 1.0
    return _float32(1 / keep) if fraction < keep else 0.0


def outcome(entries: Iterable[Entry], rules: Rules) -> Expected:
    """Judges each impression with its clicks by itself, looking at all of them at once."""
    expected = Expected()
    by_identity: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.record is None:
            expected.refused[entry.place] = entry.refusal
        else:
            by_identity[entry.record.request_id, entry.record.ad_id].append(entry)
    for history in by_identity.values():
        _judge(history, rules, expected)
    return expected


def counter_rows(
    engagements: Iterable[Engagement], watermark: int = BEFORE_TIME
) -> dict[str, CounterRow]:
    """Sums over all events of each key at the later of its newest event and the watermark."""
    events: defaultdict[str, list[tuple[int, bool]]] = defaultdict(list)
    for engagement in engagements:
        for key in engagement.counter_keys:
            events[key].append((engagement.ts, engagement.kind == "CLICK"))
    rows = {}
    for key, of_key in events.items():
        now = max(watermark, *(ts for ts, _ in of_key))
        sums = [_sums(of_key, window_ms, now) for window_ms in WINDOWS_MS.values()]
        rows[key] = CounterRow(tuple(i for i, _ in sums), tuple(c for _, c in sums))
    return {key: row for key, row in rows.items() if not row.is_zero}


def last_clicks(
    engagements: Iterable[Engagement], watermark: int = BEFORE_TIME
) -> dict[str, tuple[str, ...]]:
    """Each user's clicked ads, newest first; idle users are forgotten."""
    clicks: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for engagement in engagements:
        if engagement.kind == "CLICK":
            clicks[engagement.user_id].append((-engagement.ts, engagement.ad_id))
    return {
        user: tuple(ad for _, ad in sorted(of_user)[:LAST_CLICKS])
        for user, of_user in clicks.items()
        if USER_TTL_SECONDS * 1_000 - min(of_user)[0] > watermark
    }


def _sums(events: Sequence[tuple[int, bool]], window_ms: int, now: int) -> tuple[int, int]:
    tile_ms = window_ms // TILES_PER_WINDOW
    oldest = now // tile_ms - TILES_PER_WINDOW + 1
    inside = [is_click for ts, is_click in events if ts // tile_ms >= oldest]
    return inside.count(False), inside.count(True)


def _judge(history: Sequence[Entry], rules: Rules, expected: Expected) -> None:
    wait_ms, window_ms = rules.label_wait_ms, rules.attribution_window_ms
    shown: tuple[Impression, Served] | None = None
    clicks: list[tuple[Click, Entry]] = []
    for entry in history:
        if isinstance(entry.record, Click):
            clicks.append((entry.record, entry))
        elif entry.record is not None and entry.served is not None:
            if entry.record.ts + window_ms <= entry.watermark:
                expected.refused[entry.place] = TOO_LATE
            elif shown is None:
                shown = entry.record, entry.served
    matched: list[tuple[int, bool]] = []
    for click, entry in clicks:
        if shown is None or abs(click.ts - shown[0].ts) > window_ms:
            expected.refused[entry.place] = ORPHAN
        else:
            # Whether the NEGATIVE was out when the click came.
            matched.append((click.ts, entry.watermark >= shown[0].ts + wait_ms))
    if shown is None:
        return
    impression, served = shown
    expected.engagements.append(_engagement("IMPRESSION", impression, served, impression.ts))
    if matched:
        expected.engagements.append(_engagement("CLICK", impression, served, matched[0][0]))
    labels = _labels(impression, served, matched, rules)
    expected.samples += labels
    if rules.mature and labels:
        final = labels[-1]
        end_ms = impression.ts + window_ms
        expected.samples.append(replace(final, kind="MATURE", label_ts=end_ms))


def _labels(
    impression: Impression, served: Served, matched: list[tuple[int, bool]], rules: Rules
) -> list[TrainingSample]:
    due = impression.ts + rules.label_wait_ms
    in_time = [ts for ts, negative_is_out in matched if ts <= due and not negative_is_out]
    if in_time:
        label_ts = max(in_time[0], impression.ts)
        return [_sample("POSITIVE", impression, served, label_ts, in_time[0], 1.0)]
    labels = []
    kept = weight(impression.request_id, impression.ad_id, rules.negative_keep)
    if kept:
        labels.append(_sample("NEGATIVE", impression, served, due, None, kept))
    if matched:
        click_ts = matched[0][0]
        label_ts = max(click_ts, due)
        labels.append(_sample("CORRECTION", impression, served, label_ts, click_ts, 1.0))
    return labels


def _engagement(kind: str, impression: Impression, served: Served, ts: int) -> Engagement:
    return Engagement(
        kind=kind,
        request_id=impression.request_id,
        ad_id=impression.ad_id,
        user_id=impression.user_id,
        ts=ts,
        position=impression.position,
        price=impression.price,
        variant=served.variant,
        model_version=served.model_version,
        predicted_ctr=served.predicted_ctr,
        propensity=served.propensity,
        counter_keys=list(served.counter_keys),
    )


def _sample(
    kind: str,
    impression: Impression,
    served: Served,
    label_ts: int,
    click_ts: int | None,
    sample_weight: float,
) -> TrainingSample:
    return TrainingSample(
        kind=kind,
        request_id=impression.request_id,
        ad_id=impression.ad_id,
        user_id=impression.user_id,
        ts=impression.ts,
        position=impression.position,
        price=impression.price,
        variant=served.variant,
        model_version=served.model_version,
        predicted_ctr=served.predicted_ctr,
        propensity=served.propensity,
        feature_fingerprint=served.feature_fingerprint,
        inputs=served.inputs,
        label=int(kind != "NEGATIVE"),
        label_ts=label_ts,
        click_ts=click_ts,
        sample_weight=sample_weight,
    )


def _float32(number: float) -> float:
    value: float = struct.unpack("f", struct.pack("f", number))[0]
    return value
