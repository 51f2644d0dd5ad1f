"""Server reflection on threads of its own: its streams last as long as a client keeps them open."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

SERVICE = reflection.SERVICE_NAME
#: The same messages under the name that newer clients ask for first, some of them only.
_SERVICE_V1 = "grpc.reflection.v1.ServerReflection"
#: Streams that are answered at a time; the next ones wait.
STREAMS = 4
#: A stream that is open for so long is ended: it counts among the calls that a server takes.
LONGEST_SECONDS = 60.0


class _Stream:
    """A behaviour for gRPC, which asks it for its pool."""

    def __init__(self, services: Sequence[str], longest_seconds: float) -> None:
        self.experimental_thread_pool = ThreadPoolExecutor(STREAMS, "reflection")
        self._answers: Any = reflection.ReflectionServicer(services).ServerReflectionInfo
        self._longest_seconds = longest_seconds

    def __call__(self, requests: Iterable[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        timer = threading.Timer(self._longest_seconds, context.cancel)
        timer.daemon = True
        timer.start()
        try:
            yield from self._answers(requests, context)
        finally:
            timer.cancel()


def handlers(
    services: Sequence[str], longest_seconds: float = LONGEST_SECONDS
) -> "list[grpc.GenericRpcHandler[Any, Any]]":
    """Tell what ``services`` there are, and their messages."""
    messages: Any = reflection_pb2
    method = grpc.stream_stream_rpc_method_handler(
        _Stream(services, longest_seconds),
        request_deserializer=messages.ServerReflectionRequest.FromString,
        response_serializer=messages.ServerReflectionResponse.SerializeToString,
    )
    return [
        grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
        for name in (SERVICE, _SERVICE_V1)
    ]
