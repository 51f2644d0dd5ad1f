"""A seeded history of hundreds of thousands of impressions, in the order in which it is sent.

It is kept as columns of numbers; records are made when they are asked for. A *subject* is an
impression that may be shown, clicked and repeated; the last ones are clicked and never shown. No
event is mixed with others by more than OUT_OF_ORDER_MS, repeated impressions aside, so that what
must come out does not depend on who reads how fast.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.records import Click, Impression, Served
from schemas.redis_values import UserRow
from schemas.served_token import TokenKeys
from schemas.topics import CLICKS, IMPRESSIONS
from tests.chaos.bad_records import bad_records
from tests.streaming.jobs.event_journal import BEFORE_TIME, Entry
from tests.streaming.jobs.expected import Rules

RULES = Rules(label_wait_ms=60_000, attribution_window_ms=600_000)
OUT_OF_ORDER_MS = 5_000
MIXED_MS = 4_000
PARTITIONS = 2
START_MS = 1_700_000_000_000
SPAN_MS = 3 * 3_600_000
#: Then even the last orphan is due.
END_MS = START_MS + SPAN_MS + 3 * RULES.attribution_window_ms
ADS_A_REQUEST = 3
ADS, USERS, ADVERTISERS = 3_000, 10_000, 200
OUT_OF_ORDER_SHARE, DUPLICATE_SHARE, ORPHAN_SHARE, BAD_SHARE = 0.05, 0.02, 0.005, 0.002
#: From so many encoded inputs every impression has one, by which its click rate is told: from 0 to
#: twice CLICK_SHARE. The learner's guard withholds labels that know nothing of the model.
INPUTS = 256
CLICK_SHARE = 0.20
#: What becomes of clicks, by their time.
CLICK_KINDS = {
    "in time": 0.50,
    "late": 0.30,
    "after the window": 0.05,
    "at the label wait": 0.025,
    "just after the label wait": 0.025,
    "at the window": 0.025,
    "before the impression": 0.075,
}
EVENT = np.dtype(
    [("sent_at", "<i8"), ("ts", "<i8"), ("subject", "<i4"), ("is_click", "?"), ("partition", "i1")]
)


@dataclass(frozen=True, slots=True)
class Message:
    """For Kafka; the ``partition`` -1 is that of the key."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int


class History:
    """``events`` [n] of EVENT; a subject below 0 is a bad record. The last events close windows."""

    def __init__(self, impressions: int, seed: int, keys: TokenKeys, spec: FeatureSpec) -> None:
        random = np.random.default_rng(seed)
        self._keys = keys
        self._spec = spec
        self._bad = bad_records(keys, spec, START_MS)
        self._inputs = _inputs(spec, random)
        self.impressions = impressions
        orphans = int(impressions * ORPHAN_SHARE)
        self._closing = impressions + orphans
        subjects = self._closing + PARTITIONS
        slots = np.arange(subjects) % ADS_A_REQUEST
        popular = (ADS / ADS_A_REQUEST * random.random(subjects) ** 3).astype(np.int64)
        self._ads = popular * ADS_A_REQUEST + slots
        self._users = random.integers(0, USERS, subjects)[np.arange(subjects) // ADS_A_REQUEST]
        ts = START_MS + np.sort(random.integers(0, SPAN_MS, impressions))
        parts = [
            *_shown(random, ts),
            *_clicked(random, ts),
            _orphans(random, impressions, orphans),
            _bad_places(random, int(impressions * BAD_SHARE), len(self._bad)),
        ]
        mixed = np.concatenate(parts)
        self.events = np.concatenate(
            [mixed[np.argsort(mixed["sent_at"], kind="stable")], _closing_events(self._closing)]
        )

    def message(self, number: int) -> Message:
        """Event ``number`` as it is sent."""
        event = self.events[number]
        subject, partition = int(event["subject"]), int(event["partition"])
        if subject < 0:
            bad = self._bad[-1 - subject]
            return Message(bad.topic, bad.key, bad.value, partition)
        key, ts = self._request(subject).encode(), int(event["ts"])
        if event["is_click"]:
            return Message(CLICKS.name, key, self._click(subject, ts).encode(), partition)
        token = self._keys.sign(self._served(subject))
        shown = self._impression(subject, ts, token)
        return Message(IMPRESSIONS.name, key, shown.encode(), partition)

    def entries(
        self, partitions: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> Iterator[list[Entry]]:
        """For the oracle: all events of one subject, or a bad record, at a time; their places are
        given by event."""
        order = np.argsort(self.events["subject"], kind="stable")
        subjects = self.events["subject"][order]
        for group in np.split(order, np.flatnonzero(np.diff(subjects)) + 1):
            yield [self._entry(n, int(partitions[n]), int(offsets[n])) for n in group.tolist()]

    def _entry(self, number: int, partition: int, offset: int) -> Entry:
        event = self.events[number]
        subject, ts = int(event["subject"]), int(event["ts"])
        record: Impression | Click | None = None
        topic, served, reason = IMPRESSIONS.name, None, ""
        if subject < 0:
            bad = self._bad[-1 - subject]
            topic, reason = bad.topic, bad.reason
        elif event["is_click"]:
            topic, record = CLICKS.name, self._click(subject, ts)
        else:
            served = self._served(subject)
            record = self._impression(subject, ts, b"")
        entry = Entry(topic, None, None, record, served, reason, BEFORE_TIME)
        entry.partition, entry.offset = partition, offset
        return entry

    def _request(self, subject: int) -> str:
        return f"r{subject // ADS_A_REQUEST}"

    def _impression(self, subject: int, ts: int, token: bytes) -> Impression:
        user = f"u{self._users[subject]}"
        ad = f"a{self._ads[subject]}"
        position = 1 + subject % ADS_A_REQUEST
        return Impression(self._request(subject), ad, user, ts, position, 70, token)

    def _click(self, subject: int, ts: int) -> Click:
        return Click(self._request(subject), f"a{self._ads[subject]}", ts)

    def _served(self, subject: int) -> Served:
        ad, user = int(self._ads[subject]), int(self._users[subject])
        return Served(
            request_id=self._request(subject),
            ad_id=f"a{ad}",
            variant="deepfm",
            model_version="chaos",
            predicted_ctr=0.125,
            propensity=0.5,
            feature_fingerprint=self._spec.fingerprint,
            counter_keys=(
                f"ad:a{ad}",
                f"advertiser:{ad % ADVERTISERS}",
                f"user:u{user}",
                f"segment_category:{user % 5}|{ad % 20}",
            ),
            inputs=self._inputs[subject % INPUTS],
        )


Numbers = NDArray[np.int64]
Events = NDArray[np.void]


def _events(
    subject: Numbers, ts: Numbers, sent_at: Numbers, is_click: bool, partition: int = -1
) -> Events:
    events = np.zeros(len(subject), EVENT)
    events["subject"], events["ts"], events["sent_at"] = subject, ts, sent_at
    events["is_click"], events["partition"] = is_click, partition
    return events


def _mixed(random: np.random.Generator, ts: Numbers) -> Numbers:
    """When events of these times are sent: a share of them out of order."""
    late = random.random(len(ts)) < OUT_OF_ORDER_SHARE
    mixed: Numbers = ts + np.where(late, random.integers(1, MIXED_MS, len(ts)), 0)
    return mixed


def _shown(random: np.random.Generator, ts: Numbers) -> list[Events]:
    """Impressions, some of them again: at once or much later, with the same or a later time."""
    first = _events(np.arange(len(ts)), ts, _mixed(random, ts), False)
    again = first[random.random(len(ts)) < DUPLICATE_SHARE]
    quarter = RULES.attribution_window_ms // 4
    delay = random.choice([1, 300, 5_000, quarter], len(again))
    again["sent_at"] += delay
    again["ts"] += np.where(random.random(len(again)) < 0.5, np.minimum(delay, 5_000), 0)
    return [first, again]


def _clicked(random: np.random.Generator, ts: Numbers) -> list[Events]:
    wait, window = RULES.label_wait_ms, RULES.attribution_window_ms
    rates = 2 * CLICK_SHARE * random.random(INPUTS)
    clicked = np.flatnonzero(random.random(len(ts)) < rates[np.arange(len(ts)) % INPUTS])
    count = len(clicked)
    kinds = random.choice(list(CLICK_KINDS), count, p=list(CLICK_KINDS.values()))
    delays = {
        "in time": random.integers(0, wait + 1, count),
        "late": random.integers(wait + 1, window + 1, count),
        "after the window": window + random.integers(1, window // 2, count),
        "at the label wait": np.full(count, wait),
        "just after the label wait": np.full(count, wait + 1),
        "at the window": np.full(count, window),
        "before the impression": -random.integers(1, 2_000, count),
    }
    names, chosen = np.unique(kinds, return_inverse=True)
    delay = np.choose(chosen, [delays[name] for name in names])
    click_ts = ts[clicked] + delay
    first = _events(clicked, click_ts, _mixed(random, click_ts), True)
    # A repetition of a click without an impression is known as such only while the click waits.
    again = first[(random.random(len(first)) < DUPLICATE_SHARE) & (delay <= window)]
    again["sent_at"] += random.integers(1, OUT_OF_ORDER_MS - MIXED_MS, len(again))
    return [first, again]


def _orphans(random: np.random.Generator, first: int, count: int) -> Events:
    ts = START_MS + random.integers(0, SPAN_MS, count)
    return _events(np.arange(first, first + count), ts, _mixed(random, ts), True)


def _bad_places(random: np.random.Generator, count: int, kinds: int) -> Events:
    sent_at = START_MS + random.integers(0, SPAN_MS, count)
    return _events(-1 - random.integers(0, kinds, count), sent_at, sent_at, False)


def _closing_events(first: int) -> Events:
    """A clicked impression in each partition, after which nothing is due any more."""
    end = np.array([END_MS])
    return np.concatenate(
        [
            _events(np.array([first + part]), end, end, is_click, part)
            for part in range(PARTITIONS)
            for is_click in (False, True)
        ]
    )


def _inputs(spec: FeatureSpec, random: np.random.Generator) -> list[bytes]:
    """INPUTS encoded samples."""
    encoder = Encoder(spec)
    return [
        encoder.request(UserRow(f"u{user}"), {"hour": str(user % 24)}).tobytes()
        + encoder.ad(f"a{ad}", {"category": str(ad % 20)}).tobytes()
        for user, ad in random.integers(0, ADS, (INPUTS, 2)).tolist()
    ]
