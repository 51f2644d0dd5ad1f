"""A client that knows nothing but the port: reflection tells it all, and no request breaks us.

Cases are made from the descriptors that reflection gives; ``make fuzz-scorer`` makes 10,000.
"""

import os
from functools import cache
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scorer.running_scorer import RunningScorer
from tests.scorer.tiny_model import SPEC

CASES = int(os.environ.get("SCORER_FUZZ_CASES", "300"))
SERVICES = ("ctr.v1.Scorer", "ctr.v1.ModelAdmin")
#: What a bad request, or one without a credential, may get.
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}
TEXT = st.one_of(
    st.sampled_from(
        ["", "u-1", "ad-1", "ad-2", "deepfm", "category", "c1", "nan", "1e308", "x" * 5_000]
    ),
    st.sampled_from(sorted(SPEC.context_keys)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
INTEGERS = st.one_of(
    st.integers(-2, 50), st.sampled_from([-(2**31), 2**31 - 1]), st.integers(-(2**31), 2**31 - 1)
)
BY_TYPE: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=20),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_ENUM: st.one_of(st.integers(0, 3), INTEGERS),
    FieldDescriptor.TYPE_INT32: INTEGERS,
    FieldDescriptor.TYPE_INT64: INTEGERS,
}


def method(channel: grpc.Channel, described: MethodDescriptor) -> Any:
    """A call of bytes that gives the response's message."""
    response = message_factory.GetMessageClass(described.output_type)
    return channel.unary_unary(
        f"/{described.containing_service.full_name}/{described.name}",
        request_serializer=bytes,
        response_deserializer=response.FromString,
    )


@cache
def messages(described: Descriptor) -> st.SearchStrategy[Any]:
    """Messages with any of their fields."""
    fields = {field.name: _values(field) for field in described.fields}
    make = message_factory.GetMessageClass(described)
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: make(**values))


def _is_repeated(field: Any) -> bool:
    """The declared type of ``field`` has lost this attribute, which this release still has."""
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    of_message = field.message_type
    if of_message is not None and of_message.GetOptions().map_entry:
        key, value = (of_message.fields_by_name[name] for name in ("key", "value"))
        return st.dictionaries(_values(key), _values(value), max_size=3)
    one = messages(of_message) if of_message is not None else BY_TYPE[field.type]
    return st.lists(one, max_size=3) if _is_repeated(field) else one


@cache
def methods(address: str) -> list[MethodDescriptor]:
    """All of our services, as reflection tells."""
    with grpc.insecure_channel(address) as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        return [m for name in SERVICES for m in pool.FindServiceByName(name).methods]


@cache
def requests(described: Descriptor) -> st.SearchStrategy[bytes]:
    """Bytes of messages, and a few that are none."""
    well_formed = messages(described).map(lambda message: message.SerializeToString())
    return st.one_of(well_formed, well_formed, st.binary(max_size=60))


def test_reflection_lets_any_client_in(scorer: RunningScorer) -> None:
    """Nothing generated is used here: the service is found and called by its description."""
    database = ProtoReflectionDescriptorDatabase(scorer.channel)
    assert {*SERVICES, "grpc.health.v1.Health"} <= set(database.get_services())
    rank = next(m for m in methods(scorer.address) if m.name == "Rank")
    request = message_factory.GetMessageClass(rank.input_type)()
    json_format.ParseDict({"requestId": "r", "userId": "u", "limit": 2}, request)
    answer = json_format.MessageToDict(method(scorer.channel, rank)(request.SerializeToString()))
    assert answer["modelVersion"] == "v1"
    assert len(answer["ads"]) == 2


def test_reflection_has_the_name_of_newer_clients(scorer: RunningScorer) -> None:
    """Its messages are those of v1alpha, which the library knows."""
    call = scorer.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = call(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    named = {service.name for service in answer.list_services_response.service}
    assert named >= {*SERVICES, "grpc.health.v1.Health"}


@pytest.mark.timeout(3_600)
@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_every_method_answers_or_refuses_whatever_comes(
    scorer: RunningScorer, data: st.DataObject
) -> None:
    described = data.draw(st.sampled_from(methods(scorer.address)), "method")
    request = data.draw(requests(described.input_type), "request")
    try:
        method(scorer.channel, described)(request)
    except grpc.RpcError as error:
        failed: Any = error
        assert failed.code() in REFUSALS, f"{failed.code()}: {failed.details()}"
