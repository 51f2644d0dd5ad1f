"""A unary method of gRPC: bytes are read, a call is made, faults become codes, INTERNAL only those
of our own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from prometheus_client import Counter, Histogram

from scorer.metrics import ScorerMetrics

_log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """A call that is not answered."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reply:
    """A response as bytes, and the rung it names, if any."""

    data: bytes
    rung: str = ""

    @classmethod
    def of(cls, message: Message, rung: str = "") -> "Reply":
        """Of a message."""
        return cls(message.SerializeToString(), rung)


#: What a method does with a request that could be read. Raises RefusedError.
Call = Callable[[Any, grpc.ServicerContext], Reply]


def method(
    name: str, request: type[Message], call: Call, metrics: ScorerMetrics
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler that counts and times its calls.

    The generated registration is not used: there, an unreadable message ends as INTERNAL.
    """

    @cache
    def counted(rung: str) -> tuple[Counter, Histogram]:
        return (
            metrics.requests.labels(name, "OK", rung),
            metrics.request_seconds.labels(name, rung),
        )

    def serve(data: bytes, context: grpc.ServicerContext) -> bytes:
        start = perf_counter()
        try:
            reply = call(_read(request, data), context)
        except RefusedError as refusal:
            metrics.requests.labels(name, refusal.code.name, "").inc()
            context.abort(refusal.code, str(refusal))
        except Exception:  # gRPC would answer UNKNOWN, which nobody counts
            _log.exception("a request failed", method=name)
            metrics.requests.labels(name, grpc.StatusCode.INTERNAL.name, "").inc()
            context.abort(grpc.StatusCode.INTERNAL, "a fault of the scorer: its log tells")
        requests, seconds = counted(reply.rung)
        requests.inc()
        seconds.observe(perf_counter() - start)
        return reply.data

    return grpc.unary_unary_rpc_method_handler(
        serve, request_deserializer=bytes, response_serializer=bytes
    )


def _read(request: type[Message], data: bytes) -> Message:
    try:
        return request.FromString(data)
    except DecodeError as error:
        raise RefusedError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"the request is no {request.DESCRIPTOR.full_name}: {error}",
        ) from None
