"""A scorer for these tests: real gRPC and real tokens around a probability it is told."""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass, field

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.proto.ctr.v1 import scorer_pb2, scorer_pb2_grpc
from schemas.records import Served
from schemas.redis_values import UserRow
from schemas.served_token import TokenKeys

KEYS = "1:" + "ab" * 16


@dataclass
class FakeScorer(scorer_pb2_grpc.ScorerServicer):
    """Answers with ``ctr(ad_id)``; Rank takes the ads of ``catalogue``, best first."""

    spec: FeatureSpec
    ctr: Callable[[str], float] = lambda ad_id: 0.25
    catalogue: Sequence[str] = ()
    fail_every: int = 0
    seen: list[str] = field(default_factory=list)
    most_at_once: int = 0
    address: str = ""

    def __post_init__(self) -> None:
        self._encoder = Encoder(self.spec)
        self._keys = TokenKeys.parse(KEYS)
        self._now = 0

    def Score(
        self, request: scorer_pb2.ScoreRequest, context: grpc.ServicerContext
    ) -> scorer_pb2.RankResponse:
        """Probabilities of the candidates."""
        ads = [(candidate.ad_id, dict(candidate.attributes)) for candidate in request.candidates]
        return self._answer(request, ads, context)

    def Rank(
        self, request: scorer_pb2.RankRequest, context: grpc.ServicerContext
    ) -> scorer_pb2.RankResponse:
        """The best of the catalogue."""
        best = sorted(self.catalogue, key=self.ctr, reverse=True)[: request.limit]
        return self._answer(request, [(ad_id, {}) for ad_id in best], context)

    def _answer(
        self,
        request: scorer_pb2.ScoreRequest | scorer_pb2.RankRequest,
        ads: list[tuple[str, dict[str, str]]],
        context: grpc.ServicerContext,
    ) -> scorer_pb2.RankResponse:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        self.seen.append(request.request_id)
        try:
            if self.fail_every and len(self.seen) % self.fail_every == 0:
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
            part = self._encoder.request(UserRow(request.user_id), dict(request.context))
            ranked = [
                scorer_pb2.RankedAd(
                    ad_id=ad_id,
                    ctr=self.ctr(ad_id),
                    propensity=1.0,
                    token=self._token(request.request_id, ad_id, attributes, part.tobytes()),
                )
                for ad_id, attributes in ads
            ]
            return scorer_pb2.RankResponse(
                request_id=request.request_id, model_version="fake-1", ads=ranked
            )
        finally:
            self._now -= 1

    def _token(self, request_id: str, ad_id: str, attributes: dict[str, str], part: bytes) -> bytes:
        return self._keys.sign(
            Served(
                request_id=request_id,
                ad_id=ad_id,
                variant="deepfm",
                model_version="fake-1",
                predicted_ctr=self.ctr(ad_id),
                propensity=1.0,
                feature_fingerprint=self.spec.fingerprint,
                counter_keys=[f"ad:{ad_id}"],
                inputs=part + self._encoder.ad(ad_id, attributes).tobytes(),
            )
        )


StartScorer = Callable[[FakeScorer], FakeScorer]


@pytest.fixture
def start_scorer() -> Iterator[StartScorer]:
    """Serves fake scorers, each at its ``address``."""
    servers = []

    def start(scorer: FakeScorer) -> FakeScorer:
        server = grpc.server(futures.ThreadPoolExecutor(16))
        scorer_pb2_grpc.add_ScorerServicer_to_server(  # type: ignore[no-untyped-call]
            scorer, server
        )
        healthy = health.HealthServicer()
        healthy.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        scorer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        servers.append(server)
        return scorer

    yield start
    for server in servers:
        server.stop(0).wait()


@pytest.fixture(scope="session")
def make_scorer() -> Callable[..., FakeScorer]:
    """Builds a fake scorer for a feature set."""

    def make(features: str, **options: object) -> FakeScorer:
        return FakeScorer(FeatureSpec.load(features), **options)  # type: ignore[arg-type]

    return make
