"""Plays a source: asks the scorer, shows what it answers, and clicks when the time has come.

Answers are taken in the order of the asks, whatever order they come in, so that both topics are
written in event-time order.
"""

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from schemas import topics
from schemas.proto.ctr.v1.scorer_pb2 import RankRequest, RankResponse, Rung
from schemas.proto.ctr.v1.scorer_pb2_grpc import ScorerStub
from schemas.records import Ad, Click
from schemas.topics import Topic
from streaming.adserver.event_producer import Encodable
from streaming.adserver.pacer import Pacer
from streaming.adserver.source import Ask, Shown, Source

LATENCIES_KEPT = 200_000
GIVE_UP_AFTER = 200
LONGEST_IDLE_SECONDS = 0.25


class PlayError(RuntimeError):
    """The play cannot go on; the message says why."""


class Sender(Protocol):
    """Where records go."""

    def send(self, topic: Topic, key: str, record: Encodable) -> None:
        """Queue a record."""
        ...


@dataclass(slots=True)
class Tally:
    """What has happened so far. Latencies are in seconds, as the client sees them."""

    asked: int = 0
    answered: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    rungs: Counter[str] = field(default_factory=Counter)
    impressions: int = 0
    clicks: int = 0
    clicks_not_sent: int = 0
    model_version: str = ""
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))


@dataclass(slots=True)
class _InFlight:
    ask: Ask
    answer: "grpc.Future[RankResponse]"
    started: float
    ended: float = 0.0


class Player:
    """One source, one scorer, one producer. ``stop`` may be set from another thread."""

    def __init__(
        self,
        source: Source,
        scorer: ScorerStub,
        sender: Sender,
        *,
        requests_per_second: float,
        concurrency: int,
        timeout_seconds: float,
        on_shown: Callable[[Shown], None],
        on_latency: Callable[[float], None],
    ) -> None:
        self._source = source
        self._scorer = scorer
        self._sender = sender
        self._pacer = Pacer(requests_per_second)
        self._concurrency = concurrency
        self._timeout_seconds = timeout_seconds
        self._on_shown = on_shown
        self._on_latency = on_latency
        self._in_flight: deque[_InFlight] = deque()
        self._clicks: list[tuple[int, str, str]] = []
        self._failures_in_a_row = 0
        self._answer_came = threading.Event()
        self.tally = Tally()
        self.stop = threading.Event()

    def play(self) -> Tally:
        """Until the source ends or ``stop`` is set. Raises PlayError if the scorer is gone."""
        while not self.stop.is_set():
            self._take_answers()
            if len(self._in_flight) >= self._concurrency:
                self._take_one()
                continue
            wait_seconds = self._pacer.wait_seconds(time.monotonic())
            if wait_seconds > 0:
                self._idle(wait_seconds)
                continue
            ask = self._source.next_ask(_wall_ms())
            if ask is None:
                break
            self._pacer.went(time.monotonic())
            self._dispatch(ask)
        while self._in_flight:
            self._take_one()
        self._click_to_the_end()
        return self.tally

    def _dispatch(self, ask: Ask) -> None:
        for ad in self._source.changes(ask):
            self._sender.send(topics.ADS, ad.ad_id, ad)
        request = ask.request
        call = self._scorer.Rank if isinstance(request, RankRequest) else self._scorer.Score
        started = time.monotonic()
        future = call.future(request, timeout=self._timeout_seconds)
        flight = _InFlight(ask, future, started)
        future.add_done_callback(lambda _: self._note_end(flight))
        self._in_flight.append(flight)
        self.tally.asked += 1

    def _note_end(self, flight: _InFlight) -> None:
        flight.ended = time.monotonic()
        self._answer_came.set()

    def _idle(self, wait_seconds: float) -> None:
        self._answer_came.wait(min(wait_seconds, LONGEST_IDLE_SECONDS))
        self._answer_came.clear()

    def _take_answers(self) -> None:
        while self._in_flight and self._in_flight[0].answer.done():
            self._take_one()

    def _take_one(self) -> None:
        flight = self._in_flight.popleft()
        try:
            answer = flight.answer.result()
        except grpc.RpcError as error:
            self._missed(flight.ask, error)
            return
        self._failures_in_a_row = 0
        seconds = (flight.ended or time.monotonic()) - flight.started
        self.tally.latencies.append(seconds)
        self._on_latency(seconds)
        self.tally.answered += 1
        self.tally.rungs[Rung.Name(answer.rung)] += 1
        self.tally.model_version = answer.model_version
        self._click_until(flight.ask.ts)
        for shown in self._source.shown(flight.ask, answer):
            self._show(shown)

    def _missed(self, ask: Ask, error: grpc.RpcError) -> None:
        self.tally.unanswered[error.code().name] += 1
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= GIVE_UP_AFTER:
            raise PlayError(
                f"the scorer left {GIVE_UP_AFTER} requests in a row unanswered, the last "
                f"({ask.request.request_id}) with {error.code().name}: {error.details()}"
            )

    def _show(self, shown: Shown) -> None:
        impression = shown.impression
        self._sender.send(topics.IMPRESSIONS, impression.request_id, impression)
        self.tally.impressions += 1
        self._on_shown(shown)
        if shown.click_ts is not None:
            click = (shown.click_ts, impression.request_id, impression.ad_id)
            heapq.heappush(self._clicks, click)

    def _click_until(self, ts: int) -> None:
        while self._clicks and self._clicks[0][0] <= ts:
            click_ts, request_id, ad_id = heapq.heappop(self._clicks)
            self._sender.send(topics.CLICKS, request_id, Click(request_id, ad_id, click_ts))
            self.tally.clicks += 1

    def _click_to_the_end(self) -> None:
        while self._clicks and not self.stop.is_set():
            due_ms = self._source.due_at_ms(self._clicks[0][0])
            if due_ms is not None and due_ms > _wall_ms():
                self.stop.wait((due_ms - _wall_ms()) / 1000.0)
                continue
            self._click_until(self._clicks[0][0])
        self.tally.clicks_not_sent = len(self._clicks)


def publish_catalogue(source: Source, sender: Sender) -> tuple[int, int]:
    """Send ads and users before the stream; how many of each."""
    ads = users = 0
    for record in source.catalogue(_wall_ms()):
        if isinstance(record, Ad):
            sender.send(topics.ADS, record.ad_id, record)
            ads += 1
        else:
            sender.send(topics.USERS, record.user_id, record)
            users += 1
    return ads, users


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
