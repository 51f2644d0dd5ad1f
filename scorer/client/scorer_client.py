"""Rank and Score within a deadline, with one more try at another worker, hedged if wanted.

::

    with ScorerClient(["10.0.0.1:8500", "10.0.0.2:8500"], deadline_seconds=0.05) as scorer:
        answer = scorer.rank(RankRequest(request_id="r-1", user_id="u1", limit=3))
"""

from collections.abc import Sequence
from itertools import count
from queue import Empty, SimpleQueue
from time import monotonic
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from schemas.proto.ctr.v1 import scorer_pb2, scorer_pb2_grpc

#: The worker is away, refuses at once, or ends before it has begun: another one may answer. A
#: request changes nothing there.
RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)
_OPTIONS = (
    # A connection of its own for each channel: workers that share a port are told apart.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class ScorerClient:
    """Thread-safe; keeps its connections. Use as a context manager, or close it."""

    def __init__(
        self,
        addresses: Sequence[str],
        deadline_seconds: float = 0.1,
        hedge_after_seconds: float | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """``addresses`` are host:port, taken in turn; of one, two connections are kept.

        ``deadline_seconds`` are for a call with all its tries. After ``hedge_after_seconds``, if
        given, the request is sent to another address as well and the first answer counts (Dean &
        Barroso, The Tail at Scale, CACM 2013): about the p95 of the latency is a good value.
        Raises ValueError.
        """
        if not addresses or isinstance(addresses, str):
            raise ValueError(f"addresses: expected a list of host:port, got {addresses!r}")
        if deadline_seconds <= 0:
            raise ValueError(f"deadline_seconds: expected more than 0, got {deadline_seconds}")
        if hedge_after_seconds is not None and hedge_after_seconds < 0:
            raise ValueError(f"hedge_after_seconds: expected 0 or more, got {hedge_after_seconds}")
        targets = [*addresses, *addresses] if len(addresses) == 1 else addresses
        self._deadline_seconds = deadline_seconds
        self._hedge_after_seconds = hedge_after_seconds
        self._channels = [_channel(target, credentials) for target in targets]
        make: Any = scorer_pb2_grpc.ScorerStub
        self._stubs = [make(channel) for channel in self._channels]
        self._turns = count()

    def rank(self, request: scorer_pb2.RankRequest) -> scorer_pb2.RankResponse:
        """The best ads for a user. Raises grpc.RpcError."""
        return self._call("Rank", request)

    def score(self, request: scorer_pb2.ScoreRequest) -> scorer_pb2.RankResponse:
        """The probabilities of given candidates. Raises grpc.RpcError."""
        return self._call("Score", request)

    def close(self) -> None:
        """End the connections; calls under way are cancelled."""
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, method: str, request: Message) -> scorer_pb2.RankResponse:
        end = monotonic() + self._deadline_seconds
        turn = next(self._turns)
        ended: SimpleQueue[Any] = SimpleQueue()
        calls: list[Any] = []

        def send() -> None:
            stub = self._stubs[(turn + len(calls)) % len(self._stubs)]
            call = getattr(stub, method).future(request, timeout=max(0.0, end - monotonic()))
            calls.append(call)
            call.add_done_callback(ended.put)

        send()
        pending = 1
        while True:
            try:
                # A call ends by its deadline at the latest: only a hedge needs a time here.
                call = ended.get(timeout=self._hedge_after_seconds if len(calls) == 1 else None)
            except Empty:
                send()
                pending += 1
                continue
            pending -= 1
            code = call.code()
            if code in RETRIED and len(calls) == 1 and not call.cancelled():
                send()
                pending += 1
            elif code == grpc.StatusCode.OK or code not in RETRIED or pending == 0:
                for other in calls:
                    other.cancel()
                answer: scorer_pb2.RankResponse = call.result()
                return answer


def _channel(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target, _OPTIONS)
    return grpc.secure_channel(target, credentials, _OPTIONS)
