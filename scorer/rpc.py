"""A unary method of gRPC: bytes are read, a call is made, faults become codes. Never INTERNAL."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from schemas.proto.ctr.v1 import scorer_pb2
from scorer.metrics import ScorerMetrics


class RefusedError(Exception):
    """A call that is not answered."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


#: What a method does with a request that could be read. Raises RefusedError.
Call = Callable[[Any, grpc.ServicerContext], Message]


def method(
    name: str, request: type[Message], call: Call, metrics: ScorerMetrics
) -> "grpc.RpcMethodHandler[bytes, Message]":
    """A handler that counts and times its calls.

    The generated registration is not used: there, an unreadable message ends as INTERNAL.
    """

    def serve(data: bytes, context: grpc.ServicerContext) -> Message:
        start = perf_counter()
        try:
            response = call(_read(request, data), context)
        except RefusedError as refusal:
            metrics.requests.labels(name, refusal.code.name, "").inc()
            context.abort(refusal.code, str(refusal))
        rung = getattr(response, "rung", None)
        rung_name = "" if rung is None else scorer_pb2.Rung.Name(rung)
        metrics.requests.labels(name, "OK", rung_name).inc()
        metrics.request_seconds.labels(name, rung_name).observe(perf_counter() - start)
        return response

    return grpc.unary_unary_rpc_method_handler(
        serve, request_deserializer=bytes, response_serializer=lambda m: m.SerializeToString()
    )


def _read(request: type[Message], data: bytes) -> Message:
    try:
        return request.FromString(data)
    except DecodeError as error:
        raise RefusedError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"the request is no {request.DESCRIPTOR.full_name}: {error}",
        ) from None
