"""Requests at an even rate from Python, for what ghz does not tell: rung and ads of answers."""

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from schemas.proto.ctr.v1 import scorer_pb2
from tests.scorer.running_scorer import stub_of


@dataclass(frozen=True, slots=True)
class Event:
    """What came of one request: when it was sent, how long it took, the rung or the fault."""

    at: float
    seconds: float
    rung: str
    fault: str


@dataclass
class OpenLoop:
    """Use as a context manager; ``events`` grow meanwhile. One channel a second finds workers.

    What exists before is no garbage meanwhile: to look through a world takes a fifth of a second,
    after which all requests of that time would be sent at once.
    """

    port: int
    requests: Sequence[dict[str, Any]]
    rate: float
    timeout: float = 2.0
    on_answer: Callable[[scorer_pb2.RankResponse, float], None] | None = None
    events: list[Event] = field(default_factory=list)

    def __enter__(self) -> "OpenLoop":
        gc.freeze()
        self._stopping = threading.Event()
        self._in_flight = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        gc.unfreeze()

    def _send(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]
        sent = 0
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options=options) as channel:
            stub = stub_of(channel)
            begin = time.monotonic()
            while not self._stopping.is_set():
                time.sleep(max(0.0, begin + sent / self.rate - time.monotonic()))
                request = self.requests[sent % len(self.requests)]
                self._call(stub, scorer_pb2.RankRequest(**request))
                sent += 1
            for _ in range(sent):
                self._in_flight.acquire()

    def _call(self, stub: Any, request: scorer_pb2.RankRequest) -> None:
        at = time.monotonic()
        call = stub.Rank.future(request, timeout=self.timeout)

        def done(finished: Any) -> None:
            seconds = time.monotonic() - at
            try:
                answer = finished.result()
                event = Event(at, seconds, scorer_pb2.Rung.Name(answer.rung), "")
                if self.on_answer is not None:
                    self.on_answer(answer, at)
            except grpc.RpcError as error:
                failed: Any = error
                event = Event(at, seconds, "", failed.code().name)
            self.events.append(event)
            self._in_flight.release()

        call.add_done_callback(done)


def counts(events: Sequence[Event]) -> dict[str, int]:
    """Answers by rung, faults by code."""
    return dict(Counter(event.rung or event.fault for event in events))


def recovery_seconds(events: Sequence[Event], since: float) -> float:
    """From a time until the last answer after it that was not FULL."""
    late = [event.at + event.seconds for event in events if event.rung != "FULL"]
    return round(max(0.0, max(late, default=since) - since), 2)
