"""ModelAdmin: only for operators; what it lists, and what a roll-back does to serving."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
import pytest
import redis

from schemas import redis_keys
from schemas.proto.ctr.v1 import scorer_pb2, scorer_pb2_grpc
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import RunningScorer, eventually, refusal
from tests.scorer.tiny_model import TinyModel

CREDENTIAL = "an operator's secret"


class Operator:
    """Calls ModelAdmin with a credential."""

    def __init__(self, channel: grpc.Channel, credential: str | None) -> None:
        make: Any = scorer_pb2_grpc.ModelAdminStub
        self._stub = make(channel)
        self._metadata = None if credential is None else [("authorization", credential)]

    def list(self, **fields: Any) -> Any:
        request = scorer_pb2.ListModelsRequest(**fields)
        return self._stub.ListModels(request, metadata=self._metadata)

    def get(self, **fields: Any) -> Any:
        request = scorer_pb2.GetModelRequest(**fields)
        return self._stub.GetModel(request, metadata=self._metadata)

    def roll_back(self, **fields: Any) -> Any:
        request = scorer_pb2.RollBackRequest(**fields)
        return self._stub.RollBack(request, metadata=self._metadata)


@pytest.fixture
def managed(redis_url: str, publisher: Publisher) -> Iterator[RunningScorer]:
    """A scorer with an operator's token; v2 was published after v1."""
    for time, version in enumerate(["v1", "v2"]):
        publisher.package(TinyModel(version, seed=time).package)
        publisher.client.zadd(redis_keys.model_versions("deepfm"), {version: time})
    publisher.ads(ad(1))
    with RunningScorer(redis_url, {"operator_token": CREDENTIAL}) as running:
        running.wait_for_model("v2")
        yield running


def test_roll_back_changes_what_is_served(managed: RunningScorer, redis_url: str) -> None:
    operator = Operator(managed.channel, f"Bearer {CREDENTIAL}")
    first, second = operator.list().versions
    assert (first.model, first.version, first.current, first.serving) == (
        "deepfm", "v1", False, False,
    )  # fmt: skip
    assert (second.version, second.current, second.serving) == ("v2", True, True)
    assert second.size_bytes > 1_000
    done = operator.roll_back(reason=" too many clicks foreseen ", expected="v2")
    assert (done.model, done.version, done.withdrawn) == ("deepfm", "v1", "v2")
    managed.wait_for_model("v1")
    eventually(lambda: operator.get().serving)
    assert operator.get().version == "v1"
    assert operator.get(version="v2").withdrawn == "too many clicks foreseen"
    with redis.Redis.from_url(redis_url) as client:
        raw: Any = client.hget(redis_keys.model_withdrawn("deepfm"), "v2")
    assert json.loads(raw)["to"] == "v1"


def test_what_cannot_be_done_is_said(managed: RunningScorer) -> None:
    operator = Operator(managed.channel, f"Bearer {CREDENTIAL}")
    code, message = refusal(lambda: operator.roll_back(reason=" "))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("reason: ")
    code, message = refusal(lambda: operator.roll_back(reason="x", expected="v1"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "v2 is current by now" in message
    code, message = refusal(lambda: operator.roll_back(reason="x", version="v9"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "kept are v1" in message
    code, message = refusal(lambda: operator.get(model="lr"))
    assert code == grpc.StatusCode.NOT_FOUND
    assert "expected one of deepfm" in message
    code, message = refusal(lambda: operator.get(version="v9"))
    assert code == grpc.StatusCode.NOT_FOUND
    assert "v9" in message


def test_only_what_can_be_served_is_rolled_back_to(
    managed: RunningScorer, publisher: Publisher
) -> None:
    """Of two versions between, one is damaged and one for other features; a third is unreadable."""
    for time, model in enumerate([TinyModel("a", 3), TinyModel("b", 4, fingerprint="f" * 16)]):
        publisher.package(model.package, current=False)
        publisher.client.zadd(redis_keys.model_versions("deepfm"), {model.version: 0.1 + time / 10})
    publisher.client.delete(redis_keys.model_chunk("deepfm", "a", "tower.onnx", 0))
    publisher.client.zadd(redis_keys.model_versions("deepfm"), {"c": 0.4})
    publisher.client.set(redis_keys.model_manifest("deepfm", "c"), b"{")
    operator = Operator(managed.channel, f"Bearer {CREDENTIAL}")
    assert [item.version for item in operator.list().versions] == ["v1", "a", "b", "c", "v2"]
    for version, fault in [("a", "is missing"), ("b", "made for features"), ("c", "manifest")]:
        code, message = refusal(partial(operator.roll_back, reason="x", version=version))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert fault in message
    assert operator.roll_back(reason="x").version == "v1"


@pytest.mark.parametrize(
    "credential", [None, "", CREDENTIAL, "Bearer ", "Bearer wrong", f"Basic {CREDENTIAL}"]
)
def test_only_an_operator_is_heard(managed: RunningScorer, credential: str | None) -> None:
    stranger = Operator(managed.channel, credential)
    for call in (stranger.list, stranger.get, lambda: stranger.roll_back(reason="x")):
        assert refusal(call)[0] == grpc.StatusCode.UNAUTHENTICATED
    assert managed.version == "v2"


def test_without_a_configured_token_nobody_is(scorer: RunningScorer) -> None:
    for credential in ("Bearer ", "Bearer x"):
        stranger = Operator(scorer.channel, credential)
        code, message = refusal(lambda caller=stranger: caller.roll_back(reason="x"))  # type: ignore[misc]
        assert code == grpc.StatusCode.PERMISSION_DENIED
        assert "CTR_SCORER_OPERATOR_TOKEN" in message
