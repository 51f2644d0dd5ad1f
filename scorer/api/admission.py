"""Admission control: what would come too late is refused at once, so that the rest comes in time.

A queue that was empty a moment ago is a burst and may be long; one that stands is overload and
must be short. Controlled delay: Nichols and Jacobson, ACM Queue 2012; for servers: Maurer, "Fail
at Scale", ACM Queue 2015.
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

#: A queue that has not been empty for so long stands.
BURST_SECONDS = 0.1
#: After a standing queue bursts are refused for so long: it is full again at once.
CALM_SECONDS = 1.0
_SMOOTHING = 0.05


class Admission:
    """Decides by how many requests are under way, and by how fast they end. Not thread-safe."""

    def __init__(self, workers: int, largest: int, longest_seconds: float) -> None:
        """Of ``largest`` requests at most, ``workers`` are worked on and the others wait.

        In a standing queue, one that would take more than ``longest_seconds`` is refused.
        """
        self._workers = workers
        self._largest = largest
        self._longest_seconds = longest_seconds
        self._under_way = 0
        self._no_queue_at = 0.0
        self._overloaded_until = 0.0
        self._last_end = 0.0
        #: Between the ends of two requests while others wait.
        self._seconds_each = 0.001

    def admits(self, now: float) -> bool:
        """Whether a request that comes now is taken."""
        if self._under_way < self._workers:
            return True
        if self._under_way >= self._largest:
            return False
        if now - self._no_queue_at <= BURST_SECONDS and now >= self._overloaded_until:
            return True
        if (self._under_way + 1) * self._seconds_each <= self._longest_seconds:
            return True
        self._overloaded_until = now + CALM_SECONDS
        return False

    def begins(self, now: float) -> None:
        """A request was taken."""
        if self._under_way < self._workers:
            self._no_queue_at = now
        self._under_way += 1

    def ends(self, now: float) -> None:
        """A request has ended."""
        if self._under_way > self._workers:
            since = max(self._last_end, self._no_queue_at)
            self._seconds_each += _SMOOTHING * (now - since - self._seconds_each)
        else:
            self._no_queue_at = now
        self._under_way -= 1
        self._last_end = now


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


class AdmittedService(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # no generic at run time
    """A service whose calls are refused with RESOURCE_EXHAUSTED while its pool is full.

    gRPC asks it in the thread that reads from the network, and the refusal is sent from there:
    it neither waits in a queue nor for the rest of the request.
    """

    def __init__(
        self, service: "grpc.GenericRpcHandler[Any, Any]", pool: RequestPool, requests: Counter
    ) -> None:
        """``requests`` counts by method, code and rung."""
        self._service = service
        self._pool = pool

        @cache
        def refused(method: str) -> Counter:
            name = method.rpartition("/")[2]
            return requests.labels(name, grpc.StatusCode.RESOURCE_EXHAUSTED.name, "")

        self._refused = refused
        self._refuse = grpc.stream_unary_rpc_method_handler(_Refusal())

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The method's handler, or one that refuses."""
        handler = self._service.service(handler_call_details)
        if handler is None or self._pool.admits():
            return handler
        self._refused(handler_call_details.method).inc()
        return self._refuse


class _AtOnce(ThreadPoolExecutor):
    """Calls in the caller's thread. Nobody asks what came of it: each future is the same."""

    def __init__(self) -> None:
        super().__init__(1)
        self._done: Future[Any] = Future()
        self._done.set_result(None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        fn(*args, **kwargs)
        return self._done


class _Refusal:
    """A behaviour for gRPC, which asks it for its pool. An exception, as by abort, costs more."""

    experimental_thread_pool = _AtOnce()

    def __call__(self, _: object, context: grpc.ServicerContext) -> bytes:
        context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
        context.set_details(
            "more requests than this scorer can answer in time: ask another one, or fewer"
        )
        return b""
