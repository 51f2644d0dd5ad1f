"""Admission control: what would come too late is refused at once, so that the rest comes in time.

A short queue is always taken. A long one takes from an allowance that only grows while no request
is under way: enough for a burst, and used up at once by overload, which from then on waits as
briefly as the short queue. As a queue is judged by its delay (Nichols and Jacobson, "Controlling
Queue Delay", ACM Queue 2012), a pause of the machine is no overload.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import grpc
from prometheus_client import Counter

P = ParamSpec("P")
T = TypeVar("T")

#: Late requests that are taken: what comes in a pause of 50 ms of a scorer that does 800 a second.
#: Overload has as many late answers when it begins.
BURST = 40
#: So long without any request makes room for a whole burst: below capacity, requests that happen
#: to come together use up less. It was one idle thread: there is one under overload, too, now and
#: then, and the late requests that it let in were the slowest hundredth.
CALM_SECONDS = 0.01
_SMOOTHING = 0.05


class Admission:
    """Decides by how many requests are under way, and by how fast they end. Not thread-safe."""

    def __init__(self, workers: int, largest: int, longest_seconds: float) -> None:
        """Of ``largest`` requests at most, ``workers`` are worked on and the others wait.

        One that would wait for more than ``longest_seconds`` needs an allowance.
        """
        self._workers = workers
        self._largest = largest
        self._longest_seconds = longest_seconds
        self._under_way = 0
        self._allowance = float(BURST)
        self._looked_at = 0.0
        self._no_queue_at = 0.0
        self._last_end = 0.0
        #: Between the ends of two requests while others wait.
        self._seconds_each = 0.001

    def admits(self, now: float) -> bool:
        """Whether a request that comes now is taken."""
        self._rest(now)
        if self._under_way < self._workers:
            return True
        if self._under_way >= self._largest:
            return False
        ahead = self._under_way + 1 - self._workers
        if ahead * self._seconds_each <= self._longest_seconds:
            return True
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def begins(self, now: float) -> None:
        """A request was taken."""
        self._rest(now)
        if self._under_way < self._workers:
            self._no_queue_at = now
        self._under_way += 1

    def ends(self, now: float) -> None:
        """A request has ended."""
        self._rest(now)
        if self._under_way > self._workers:
            since = max(self._last_end, self._no_queue_at)
            self._seconds_each += _SMOOTHING * (now - since - self._seconds_each)
        else:
            self._no_queue_at = now
        self._under_way -= 1
        self._last_end = now

    def _rest(self, now: float) -> None:
        """What has passed since the last look, in which nothing began or ended."""
        if self._under_way == 0:
            grown = self._allowance + (now - self._looked_at) * BURST / CALM_SECONDS
            self._allowance = min(grown, BURST)
        self._looked_at = now


class RequestPool(ThreadPoolExecutor):
    """The threads that answer; knows what waits for them."""

    def __init__(
        self,
        workers: int,
        largest: int,
        longest_seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(workers, thread_name_prefix="request")
        self._admission = Admission(workers, largest, longest_seconds)
        self._admission_lock = threading.Lock()
        self._clock = clock

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Queue a call, whatever ``admits`` says."""
        with self._admission_lock:
            self._admission.begins(self._clock())
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._ended)
        return future

    def admits(self) -> bool:
        """Whether one more request would be answered in time."""
        with self._admission_lock:
            return self._admission.admits(self._clock())

    def _ended(self, _: "Future[Any]") -> None:
        with self._admission_lock:
            self._admission.ends(self._clock())


class CallLimit(int):
    """For gRPC's ``maximum_concurrent_rpcs``: knows of calls refused for other reasons, too.

    gRPC's own refusal costs 51 us of a core, one by a handler 85 (at 2,200 a second, grpcio 1.65).
    gRPC compares before it asks for the call's handler, and looks at what came of it afterwards.
    """

    def __init__(self, _: int) -> None:
        self._exceeded = self.refused = False

    def __le__(self, calls: int) -> "CallLimit":  # type: ignore[override, misc]  # no bool yet
        """A call comes while so many are under way."""
        self._exceeded, self.refused = int(self) <= calls, False
        return self

    def __bool__(self) -> bool:
        return self._exceeded or self.refused


class AdmittedService(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # no generic at run time
    """A service whose calls are refused with RESOURCE_EXHAUSTED while its pool is full.

    gRPC asks it in the thread that reads from the network, and the refusal is sent from there:
    it neither waits in a queue nor for the rest of the request.
    """

    def __init__(
        self,
        service: "grpc.GenericRpcHandler[Any, Any]",
        pool: RequestPool,
        limit: CallLimit,
        requests: Counter,
    ) -> None:
        """``requests`` counts by method, code and rung."""
        self._service = service
        self._pool = pool
        self._limit = limit

        @cache
        def refused(method: str) -> Counter:
            name = method.rpartition("/")[2]
            return requests.labels(name, grpc.StatusCode.RESOURCE_EXHAUSTED.name, "")

        self._refused = refused

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The method's handler."""
        handler = self._service.service(handler_call_details)
        if handler is not None and not self._pool.admits():
            self._refused(handler_call_details.method).inc()
            self._limit.refused = True
        return handler
