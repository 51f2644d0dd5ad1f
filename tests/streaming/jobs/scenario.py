"""One story of the events job, told in steps of event time; a test asks how a part of it ended."""

import time
from dataclasses import dataclass, field, replace

from schemas import topics
from schemas.records import Ad, Click, Impression, User
from schemas.redis_values import CounterRow
from schemas.served_token import TokenKeys
from tests.streaming.jobs.event_journal import LARGEST_RECORD_BYTES, EventJournal
from tests.streaming.jobs.producers_ahead import AD_ID, IMPRESSION_ID, NO_ID, wire_format
from tests.streaming.jobs.random_history import DAY_MS, SPAN_MS, history
from tests.streaming.jobs.running_job import RunningJob

MINUTE_MS = 60_000
T0 = 1_699_999_980_000
YEAR_2099_MS = 4_070_908_800_000
LATER = T0 + 31 * DAY_MS
END = LATER + SPAN_MS + DAY_MS + 30_000
IMPRESSIONS = 2_500
QUIET_KEY = "ad:quiet"


@dataclass(slots=True)
class Seen:
    """What a part of the story looked like while it went on."""

    kinds_at_wait: dict[str, list[str]] = field(default_factory=dict)
    quiet_windows: list[int] = field(default_factory=list)
    last_clicks_before: tuple[str, ...] = ()


def play(job: RunningJob) -> Seen:
    """All of it up to the end of event time, all of it in checkpoints and stores."""
    seen = Seen()
    _catalogue(job)
    _order_of_arrival(job)
    _waiting(job, seen)
    _expiry(job, seen)
    _too_late(job)
    _unusable(job.journal)
    for happening in history(11, "random", END, IMPRESSIONS, job.rules):
        happening.send(job.journal)
    job.reach(END)
    job.catch_up()
    return seen


def kinds(job: RunningJob, *requests: str) -> dict[str, list[str]]:
    """Kinds of the samples of requests, in order."""
    samples = job.samples()
    return {name: [s.kind for s in samples if s.request_id == name] for name in requests}


def _catalogue(job: RunningJob) -> None:
    journal = job.journal
    kept = Ad("kept", T0, "ACTIVE", 5, {"category": "é"})
    for ad in (kept, replace(kept, ad_id="deleted"), replace(kept, ad_id="paused")):
        _store(journal, topics.ADS, ad.ad_id, ad.encode())
    _store(journal, topics.ADS, "paused", Ad("paused", T0 + 1, "PAUSED", 6).encode())
    _store(journal, topics.ADS, "kept", replace(kept, ts=T0 - 1, price=1).encode())
    _store(journal, topics.ADS, "wire", wire_format(AD_ID, replace(kept, ad_id="wire")))
    ahead = time.time_ns() // 1_000_000 + 5 * MINUTE_MS
    _store(journal, topics.ADS, "ahead", replace(kept, ad_id="ahead", ts=ahead).encode())
    for user_id in ("u1", "u2"):
        _store(journal, topics.USERS, user_id, User(user_id, T0, {"segment": "s"}).encode())
    job.catch_up()
    job.until(
        lambda: {"kept", "wire", "deleted", "paused", "ahead"} <= job.ads().keys(),
        "ads reach Redis",
    )
    job.until(lambda: {"u1", "u2"} <= job.users().keys(), "users reach Redis")
    for ad_id in ("deleted", "ahead"):
        _store(journal, topics.ADS, ad_id, None)
    _store(journal, topics.USERS, "u2", None)
    journal.unusable(topics.ADS, kept.encode(), "wrong-key: the record is of kept", b"other")
    journal.unusable(topics.ADS, b"poison", "not-avro: ", b"kept")
    user = User("kept", T0 + 9, {}).encode()
    journal.unusable(topics.ADS, user, "wrong-record: expected Ad, got User", b"kept")
    future = User("u1", YEAR_2099_MS, {}).encode()
    journal.unusable(topics.USERS, future, "impossible-time: later than Kafka got it", b"u1")


def _store(journal: EventJournal, topic: topics.Topic, key: str, value: bytes | None) -> None:
    """A good catalogue record, which is no business of the journal's oracle."""
    entry = journal.unusable(topic, value, "", key.encode())
    journal.entries.remove(entry)


def _order_of_arrival(job: RunningJob) -> None:
    """Each step is in the job's state before the next is sent; event time stands still."""
    journal, rules = job.journal, job.rules
    wait, window = T0 + rules.label_wait_ms, T0 + rules.attribution_window_ms
    journal.click("click-first", T0 + 10)
    journal.click("click-first", T0 + 20)
    journal.click("late-click-first", wait + 5)
    journal.click("click-first-but-orphan", window + 1)
    job.catch_up()
    for name in ("click-first", "late-click-first", "click-first-but-orphan"):
        journal.impression(name, T0, counter_keys=["ad:order"])
    for name in ("none", "at-wait", "after-wait", "at-window", "after-window", "twice"):
        journal.impression(name, T0, counter_keys=["ad:order"])
    for name in ("stale", "late-then-early", "straggler", "live", "early-by-clock"):
        journal.impression(name, T0, counter_keys=["ad:order"])
    journal.impression("twice", T0, counter_keys=["ad:order"])
    journal.impression("twice", T0 + 5_000, user_id="other", counter_keys=["ad:order"])
    journal.impression("two-ads", T0, ad_id="a", user_id="clicker")
    journal.impression("two-ads", T0, ad_id="b", user_id="clicker")
    for number in range(3):
        journal.impression(f"quiet-{number}", T0, counter_keys=[QUIET_KEY])
    journal.impression_of_next_version("by-folder", T0, None)
    journal.impression_of_next_version("by-registry", T0, IMPRESSION_ID)
    job.catch_up()
    journal.click("at-wait", wait)
    journal.click("by-folder", T0 + 1)
    journal.click("by-registry", T0 + 1)
    journal.click("after-wait", wait + 1)
    journal.click("at-window", window)
    journal.click("after-window", window + 1)
    for ts in (T0 + 3, T0 + 3, T0 + 9, wait + 7):
        journal.click("twice", ts)
    journal.click("stale", T0 + 1)
    journal.click("stale", window + 1)
    journal.click("late-then-early", wait + 10)
    journal.click("late-then-early", wait - 5)
    journal.click("early-by-clock", T0 - 1_000)
    journal.click("two-ads", T0 + 7, ad_id="b")
    journal.click("no-impression", T0)
    journal.click("quiet-1", T0 + 1)
    job.catch_up()


def _waiting(job: RunningJob, seen: Seen) -> None:
    """The label wait is over, the attribution window is not."""
    rules = job.rules
    job.reach(T0 + rules.label_wait_ms + MINUTE_MS)
    job.until(lambda: "CORRECTION" in kinds(job, "after-wait")["after-wait"], "a correction")
    seen.kinds_at_wait = kinds(job, "none", "after-wait", "at-window", "straggler", "live")
    job.journal.click("straggler", T0 + 30_000)
    live = T0 + rules.label_wait_ms + 2 * MINUTE_MS
    job.journal.click("live", live)
    job.until(lambda: "CORRECTION" in kinds(job, "live")["live"], "a correction at once")


def _expiry(job: RunningJob, seen: Seen) -> None:
    """No event of the quiet key comes any more, but event time goes on."""
    _wait_for_quiet(job, 4, seen)
    seen.last_clicks_before = job.clicked_ads()["clicker"]
    for hours, live in ((0.5, 3), (2, 2), (25, 1)):
        job.reach(T0 + int(hours * 60) * MINUTE_MS)
        _wait_for_quiet(job, live, seen)
    job.reach(LATER)
    _wait_for_quiet(job, 0, seen)
    job.until(lambda: "clicker" not in job.clicked_ads(), "an idle user is forgotten")


def _wait_for_quiet(job: RunningJob, live: int, seen: Seen) -> None:
    """Three impressions and a click, in the ``live`` longest windows; no row if there are none."""
    ended = (0,) * (4 - live)
    row = CounterRow(ended + (3,) * live, ended + (1,) * live) if live else None
    job.until(lambda: job.counters().get(QUIET_KEY) == row, f"{QUIET_KEY} in {live} windows")
    seen.quiet_windows.append(live)


def _too_late(job: RunningJob) -> None:
    job.journal.impression("too-late", T0 + 1)
    job.journal.impression("none", T0)
    job.journal.click("too-late", T0 + 2)


def _unusable(journal: EventJournal) -> None:
    impressions, clicks = topics.IMPRESSIONS, topics.CLICKS
    good = Impression("x", "a", "u", LATER, 1, 1, journal.keys.sign(journal.served("x", "a")))
    click = Click("x", "a", LATER).encode()
    unknown = click[:2] + bytes(range(8)) + click[10:]
    other_spec = replace(journal.served("x", "a"), feature_fingerprint="0" * 16)
    forger = TokenKeys.parse("1:" + "00" * 32).sign(journal.served("x", "a"))
    stranger = TokenKeys.parse("9:" + "00" * 32).sign(journal.served("x", "a"))
    for topic in (impressions, clicks):
        journal.unusable(topic, b"poison", "not-avro: no single-object marker C3 01")
        journal.unusable(topic, b"", "not-avro: no single-object marker C3 01")
        journal.unusable(topic, None, "not-avro: no value")
        journal.unusable(topic, unknown, "unknown-schema: fingerprint 0001020304050607")
        journal.unusable(topic, b"no key", "not-avro: ", None)
        journal.unusable(topic, b"\xff\xfe", "not-avro: ", b"\xff\xfekey")
    journal.unusable(
        impressions,
        b"\0" + NO_ID.to_bytes(4, "big"),
        f"unknown-schema: the registry has no schema id {NO_ID}",
    )
    # With its place and the reason it is larger than Kafka takes by default.
    large = b"x" * (LARGEST_RECORD_BYTES - 120)
    journal.unusable(impressions, large, "not-avro: no single-object marker C3 01")
    journal.unusable(impressions, click, "wrong-record: expected Impression, got Click")
    journal.unusable(clicks, good.encode(), "wrong-record: expected Click, got Impression")
    journal.unusable(impressions, good.encode()[:-1], "truncated: ")
    journal.unusable(clicks, click + b"\0", "truncated: ")
    for token, reason in (
        (forger, "forged-token: wrong MAC"),
        (stranger, "forged-token: unknown key id 9"),
        (b"", "bad-token: 0 bytes are too few"),
        (journal.keys.sign(journal.served("y", "a")), "token-mismatch: it was made for request y"),
        (journal.keys.sign(other_spec), f"wrong-fingerprint: expected {journal.spec.fingerprint}"),
    ):
        journal.unusable(impressions, replace(good, token=token).encode(), reason)
    for ts, reason in (
        (YEAR_2099_MS, "impossible-time: later than Kafka got it"),
        (5, "impossible-time: ts 5 ms is outside the years 2000-9999"),
    ):
        journal.unusable(impressions, replace(good, ts=ts).encode(), reason)
        journal.unusable(clicks, Click("x", "a", ts).encode(), reason)
