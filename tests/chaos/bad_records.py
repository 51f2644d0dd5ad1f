"""Records that must be refused, each with the begin of the reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas import topics
from schemas.features import FeatureSpec
from schemas.records import Click, Impression, Served
from schemas.served_token import TokenKeys

YEAR_2099_MS = 4_070_908_800_000


@dataclass(frozen=True, slots=True)
class BadRecord:
    """``reason`` is how the reason of its dead letter begins."""

    topic: str
    key: bytes | None
    value: bytes | None
    reason: str


def bad_records(keys: TokenKeys, spec: FeatureSpec, ts: int) -> Sequence[BadRecord]:
    """Undecodable bytes, impossible times and tokens that nobody here signed for this."""
    impressions, clicks = topics.IMPRESSIONS.name, topics.CLICKS.name
    served = Served("bad", "a", "arm", "v", 0.5, 1.0, spec.fingerprint, (), b"")
    shown = Impression("bad", "a", "u", ts, 1, 1, keys.sign(served))
    click = Click("bad", "a", ts)
    unknown = click.encode()[:2] + bytes(range(8)) + click.encode()[10:]
    both = [
        (b"poison", "not-avro: no single-object marker C3 01"),
        (None, "not-avro: no value"),
        (unknown, "unknown-schema: fingerprint 0001020304050607"),
    ]
    of_impressions = [
        (click.encode(), "wrong-record: expected Impression, got Click"),
        (shown.encode()[:-1], "truncated: "),
        (replace(shown, ts=5).encode(), "impossible-time: ts 5 ms is outside"),
        (replace(shown, ts=YEAR_2099_MS).encode(), "impossible-time: later than Kafka got it"),
        *((replace(shown, token=t).encode(), why) for t, why in _tokens(served, keys, spec)),
    ]
    of_clicks = [
        (shown.encode(), "wrong-record: expected Click, got Impression"),
        (click.encode() + b"\0", "truncated: "),
        (replace(click, ts=5).encode(), "impossible-time: ts 5 ms is outside"),
        (replace(click, ts=YEAR_2099_MS).encode(), "impossible-time: later than Kafka got it"),
    ]
    return [
        BadRecord(topic, key, value, reason)
        for topic, records in ((impressions, both + of_impressions), (clicks, both + of_clicks))
        for value, reason in records
        for key in (b"bad", b"\xff\xfe", None)
    ]


def _tokens(served: Served, keys: TokenKeys, spec: FeatureSpec) -> list[tuple[bytes, str]]:
    forger = TokenKeys.parse("1:" + "00" * 32)
    stranger = TokenKeys.parse("9:" + "00" * 32)
    other_features = replace(served, feature_fingerprint="0" * 16)
    return [
        (forger.sign(served), "forged-token: wrong MAC"),
        (stranger.sign(served), "forged-token: unknown key id 9"),
        (keys.sign(replace(served, request_id="other")), "token-mismatch: it was made for"),
        (keys.sign(other_features), f"wrong-fingerprint: expected {spec.fingerprint}"),
        (b"", "bad-token: 0 bytes are too few"),
    ]
