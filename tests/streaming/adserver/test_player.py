"""The player: order of event time, bounded calls, faults that are counted, a clean stop."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest

from schemas.proto.ctr.v1.scorer_pb2 import Candidate, RankResponse, ScoreRequest
from schemas.proto.ctr.v1.scorer_pb2_grpc import ScorerStub
from schemas.records import Ad, Click, Impression, User
from schemas.topics import Topic
from streaming.adserver.event_producer import Encodable
from streaming.adserver.pacer import Pacer
from streaming.adserver.player import Player, PlayError, publish_catalogue
from streaming.adserver.source import Ask, Shown

Make = Callable[..., Any]


class Recorder:
    """A sender that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, Encodable]] = []

    def send(self, topic: Topic, key: str, record: Encodable) -> None:
        self.records.append((topic.name, key, record))

    def of(self, kind: type[Impression] | type[Click] | type[Ad]) -> list[object]:
        return [record for _, _, record in self.records if isinstance(record, kind)]


class Steps:
    """One ad a request, a second of event time between two, each clicked ``delay_ms`` later."""

    history_rate = 0.5

    def __init__(self, count: int, delay_ms: int = 2_500, wall: bool = False) -> None:
        self.count, self.delay_ms, self.wall, self.next = count, delay_ms, wall, 0

    def catalogue(self, now_ms: int) -> Iterator[Ad | User]:
        yield Ad("a", now_ms, "ACTIVE", 1)
        yield User("u", now_ms)

    def next_ask(self, now_ms: int) -> Ask | None:
        if self.next == self.count:
            return None
        number, self.next = self.next, self.next + 1
        candidates = [Candidate(ad_id="a")]
        request = ScoreRequest(request_id=f"r{number}", user_id="u", candidates=candidates)
        return Ask(number, now_ms if self.wall else 1_000 * number, request)

    def changes(self, ask: Ask) -> Sequence[Ad]:
        return [Ad("b", ask.ts, "PAUSED", 1)] if ask.number == 3 else []

    def shown(self, ask: Ask, answer: RankResponse) -> Sequence[Shown]:
        (ad,) = answer.ads
        impression = Impression(ask.request.request_id, ad.ad_id, "u", ask.ts, 1, 1, ad.token)
        return [Shown(impression, ask.ts + self.delay_ms, ad.ctr, None)]

    def due_at_ms(self, ts: int) -> int | None:
        return ts if self.wall else None

    def report(self) -> dict[str, float]:
        return {}


def _player(source: Steps, address: str, recorder: Recorder, **options: float) -> Player:
    return Player(
        source,
        ScorerStub(grpc.insecure_channel(address)),  # type: ignore[no-untyped-call]
        recorder,
        requests_per_second=options.get("pace", 0.0),
        concurrency=int(options.get("concurrency", 4)),
        timeout_seconds=5.0,
        on_shown=lambda shown: None,
        on_latency=lambda seconds: None,
    )


@pytest.fixture
def scorer(start_scorer: Make, make_scorer: Make) -> Make:
    return lambda **options: start_scorer(make_scorer("criteo", **options))


def test_events_are_in_event_time_order(scorer: Make) -> None:
    fake, recorder = scorer(), Recorder()
    tally = _player(Steps(40), fake.address, recorder).play()
    times = [
        record.ts for _, _, record in recorder.records if isinstance(record, Impression | Click)
    ]
    assert times == sorted(times)
    assert (tally.asked, tally.answered, tally.impressions, tally.clicks) == (40, 40, 40, 40)
    assert [key for _, key, record in recorder.records if isinstance(record, Click)] == [
        f"r{number}" for number in range(40)
    ]
    assert 1 <= fake.most_at_once <= 4
    assert len(recorder.of(Ad)) == 1


def test_refused_requests_are_counted_and_not_shown(scorer: Make) -> None:
    fake, recorder = scorer(fail_every=4), Recorder()
    tally = _player(Steps(40), fake.address, recorder, concurrency=1).play()
    assert tally.unanswered == {"RESOURCE_EXHAUSTED": 10}
    assert len(recorder.of(Impression)) == tally.impressions == 30


def test_a_scorer_that_is_gone_ends_the_play() -> None:
    with pytest.raises(PlayError, match="UNAVAILABLE"):
        _player(Steps(10_000), "127.0.0.1:1", Recorder()).play()


def test_stop_ends_it_and_says_which_clicks_were_not_sent(scorer: Make) -> None:
    fake, recorder = scorer(), Recorder()
    player = _player(Steps(100_000, delay_ms=10**9), fake.address, recorder, pace=500.0)
    threading.Timer(0.3, player.stop.set).start()
    tally = player.play()
    assert 0 < tally.answered == tally.asked < 100_000
    assert tally.clicks == 0
    assert tally.clicks_not_sent == tally.impressions


def test_clicks_wait_for_the_wall_clock_when_it_is_event_time(scorer: Make) -> None:
    fake, recorder = scorer(), Recorder()
    tally = _player(Steps(3, delay_ms=300, wall=True), fake.address, recorder).play()
    last = recorder.of(Click)[-1]
    assert isinstance(last, Click)
    assert tally.clicks == 3
    assert time.time() * 1000 >= last.ts


def test_catalogue_goes_to_its_topics() -> None:
    recorder = Recorder()
    assert publish_catalogue(Steps(0), recorder) == (1, 1)
    assert [(topic, key) for topic, key, _ in recorder.records] == [("ads", "a"), ("users", "u")]


def test_pace_is_kept_without_bursts() -> None:
    pacer = Pacer(10.0)
    pacer.went(100.0)
    assert pacer.wait_seconds(100.0) == pytest.approx(-0.1)
    pacer.went(100.0)
    assert pacer.wait_seconds(100.0) == pytest.approx(0.0)
    pacer.went(100.0)
    assert pacer.wait_seconds(100.0) == pytest.approx(0.1)
    pacer.went(200.0)
    assert pacer.wait_seconds(200.0) == pytest.approx(-0.1)
    assert Pacer(0.0).wait_seconds(5.0) <= 0
