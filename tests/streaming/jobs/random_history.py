"""A seeded history of impressions and clicks, in which whatever may happen does happen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from tests.streaming.jobs.event_journal import EventJournal
from tests.streaming.jobs.expected import Rules

DAY_MS = 86_400_000
SPAN_MS = 9 * DAY_MS
ADS, USERS, ADVERTISERS = 40, 60, 7
#: Well below what the job waits for.
MIXED_MS = 3_000


@dataclass(frozen=True, slots=True)
class Happening:
    """``is_click`` tells which topic it is for; ``sent_at`` orders what is sent."""

    sent_at: int
    is_click: bool
    request_id: str
    ad_id: str
    user_id: str
    ts: int
    counter_keys: tuple[str, ...]

    def send(self, journal: EventJournal) -> None:
        """To Kafka."""
        if self.is_click:
            journal.click(self.request_id, self.ts, ad_id=self.ad_id)
        else:
            journal.impression(
                self.request_id,
                self.ts,
                ad_id=self.ad_id,
                user_id=self.user_id,
                counter_keys=self.counter_keys,
            )


def history(
    seed: int, name: str, end: int, impressions: int, rules: Rules, span_ms: int = SPAN_MS
) -> list[Happening]:
    """Events of the time up to ``end``, densest at the end, in order of sending.

    Nothing in it depends on how the two topics are interleaved when they are read.
    """
    random = Random(seed)
    happenings: list[Happening] = []
    for number in range(impressions):
        ts = end - int(span_ms * random.random() ** 4)
        ad, user = random.randrange(ADS), random.randrange(USERS)
        user_id = f"{name}-{user}"
        keys = (
            f"ad:{name}-{ad}",
            f"advertiser:{ad % ADVERTISERS}",
            f"user:{user_id}",
            f"segment_category:{user % 3}|{ad % 5}",
        )
        shown = Happening(
            sent_at=ts + random.randrange(MIXED_MS),
            is_click=False,
            request_id=f"{name}-{number // 3}",
            ad_id=f"{ad}.{number}",
            user_id=user_id,
            ts=ts,
            counter_keys=keys,
        )
        happenings.append(shown)
        if random.random() < 0.1:
            again = ts + random.choice([0, 1, 5_000, rules.attribution_window_ms // 2])
            happenings.append(_later(shown, again, False))
        happenings += [_later(shown, click, True) for click in _clicks(random, ts, rules)]
    seen = [each for each in happenings if each.ts <= end]
    return sorted(seen, key=lambda each: each.sent_at)


def _clicks(random: Random, ts: int, rules: Rules) -> Iterator[int]:
    wait_ms, window_ms = rules.label_wait_ms, rules.attribution_window_ms
    kind = random.randrange(12)
    if kind < 5:
        return
    first = {
        5: ts + random.randrange(wait_ms + 1),
        6: ts + random.randrange(wait_ms + 1),
        7: ts + wait_ms + random.randrange(1, window_ms - wait_ms + 1),
        8: ts + random.choice([0, wait_ms, wait_ms + 1, window_ms]),
        9: ts + window_ms + random.randrange(1, window_ms // 2),
        10: ts - random.randrange(2_000),
        11: ts + random.randrange(wait_ms + 1),
    }[kind]
    yield first
    if kind == 11:
        # Repeated with the same and with a later time.
        yield first
        yield first + random.randrange(wait_ms)


def _later(first: Happening, ts: int, is_click: bool) -> Happening:
    """Of the same impression; a repetition is sent after what it repeats."""
    return replace(first, sent_at=ts + MIXED_MS, ts=ts, is_click=is_click)
