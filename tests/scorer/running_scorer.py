"""A scorer in this process behind real gRPC, and a client of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from schemas.proto.ctr.v1 import scorer_pb2, scorer_pb2_grpc
from schemas.records import Served
from schemas.served_token import TokenKeys
from schemas.settings import SharedSettings
from scorer.process import ScorerProcess
from scorer.settings import ScorerSettings
from tests.scorer.tiny_model import SPEC_FILE, TinyModel

KEYS = "1:" + "ab" * 16
QUICK: dict[str, Any] = {
    "port": 0,
    "metrics_port": 0,
    "poll_seconds": 0.05,
    "index_seconds": 0.05,
    "drain_seconds": 0.0,
    "grace_seconds": 1.0,
    # Other work on the machine must not lower the rung.
    "ranking_budget_ms": 10_000.0,
    "user_timeout_ms": 2_000.0,
    "epsilon": 0.0,
    "popular_candidates": 0,
    "recent_candidates": 0,
}


@dataclass
class RunningScorer:
    """Use as a context manager."""

    redis_url: str
    overrides: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> "RunningScorer":
        shared = SharedSettings(redis_url=self.redis_url, features=str(SPEC_FILE), token_keys=KEYS)
        self.registry = CollectorRegistry()
        settings = ScorerSettings(**{**QUICK, **self.overrides})
        self.process = ScorerProcess(shared, settings, self.registry)
        self.process.start()
        self.address = f"127.0.0.1:{self.process.server.port}"
        self.channel = grpc.insecure_channel(self.address)
        self.stub = stub_of(self.channel)
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self.process.stop()

    def wait_for_pools(self) -> None:
        """Until ads to explore are known, if an arm needs them."""
        eventually(lambda: self.process.pools.are_known)

    def wait_for_model(self, version: str) -> None:
        """Until this version is served."""
        eventually(lambda: self.version == version)

    @property
    def version(self) -> str:
        served = self.process.holder.current
        return "" if served is None else served.manifest.version

    def rank(self, timeout: float | None = None, **fields: Any) -> scorer_pb2.RankResponse:
        request = {"request_id": "r-1", "user_id": "u-1", **fields}
        answer: scorer_pb2.RankResponse = self.stub.Rank(
            scorer_pb2.RankRequest(**request), timeout=timeout
        )
        return answer

    def score(
        self, *ad_ids: str, timeout: float | None = None, **fields: Any
    ) -> scorer_pb2.RankResponse:
        candidates = [scorer_pb2.Candidate(ad_id=ad_id) for ad_id in ad_ids]
        request = {"request_id": "r-1", "user_id": "u-1", "candidates": candidates, **fields}
        answer: scorer_pb2.RankResponse = self.stub.Score(
            scorer_pb2.ScoreRequest(**request), timeout=timeout
        )
        return answer

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value, 0 if it was never observed."""
        return self.registry.get_sample_value(name, labels) or 0.0


def stub_of(channel: grpc.Channel) -> Any:
    """A client; generated code is not typed."""
    make: Any = scorer_pb2_grpc.ScorerStub
    return make(channel)


def served(ad: scorer_pb2.RankedAd) -> Served:
    """What an ad's token says; fails unless it is signed."""
    return TokenKeys.parse(KEYS).verify(ad.token)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Code and message of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    return error.code(), error.details()


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds; fails after a time that no healthy run needs."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.01)


def assert_parity(response: scorer_pb2.RankResponse, model: TinyModel) -> None:
    """What was served equals the plain model on the tokens' inputs."""
    for scored in response.ads:
        token = served(scored)
        assert scored.ctr == pytest.approx(model.ctr(token.inputs), rel=1e-3)
        assert token.predicted_ctr == pytest.approx(scored.ctr, rel=1e-6)
        assert token.ad_id == scored.ad_id
        assert token.model_version == response.model_version == model.version
