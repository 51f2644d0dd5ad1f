"""The gRPC service: converts, calls, converts."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from schemas.proto.ctr.v1 import scorer_pb2
from scorer.budget import Budget
from scorer.metrics import ScorerMetrics
from scorer.questions import Answer, InvalidRequestError, NoModelError
from scorer.ranking import Ranker
from scorer.validation import Validator

SERVICE = scorer_pb2.DESCRIPTOR.services_by_name["Scorer"].full_name
Request = TypeVar("Request", bound=Message)
#: What a method does with a request that was parsed; raises what _answer knows.
Method = Callable[[Any, Budget], Answer]


class ScorerServicer:
    """Rank and Score. Bad input, even bytes that are no message, is never INTERNAL."""

    def __init__(
        self,
        ranker: Ranker,
        validator: Validator,
        variant: str,
        budget_seconds: float,
        metrics: ScorerMetrics,
    ) -> None:
        self._ranker = ranker
        self._validator = validator
        self._variant = variant
        self._budget_seconds = budget_seconds
        self._metrics = metrics

    def handler(self) -> "grpc.GenericRpcHandler[bytes, scorer_pb2.RankResponse]":
        """The service, to be added to a server.

        The generated registration is not used: there, an unreadable message ends as INTERNAL.
        """

        def rank(request: scorer_pb2.RankRequest, budget: Budget) -> Answer:
            return self._ranker.rank(self._validator.rank(request), budget)

        def score(request: scorer_pb2.ScoreRequest, budget: Budget) -> Answer:
            return self._ranker.score(self._validator.score(request), budget)

        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Rank": self._method("Rank", scorer_pb2.RankRequest, rank),
                "Score": self._method("Score", scorer_pb2.ScoreRequest, score),
            },
        )

    def _method(
        self, name: str, message: type[Request], method: Method
    ) -> "grpc.RpcMethodHandler[bytes, scorer_pb2.RankResponse]":
        seconds = self._metrics.request_seconds.labels(name)

        def serve(data: bytes, context: grpc.ServicerContext) -> scorer_pb2.RankResponse:
            start = perf_counter()
            try:
                budget = self._budget(context)
                response = self._response(data, message, method, budget)
            except _RefusedError as refusal:
                self._metrics.requests.labels(name, refusal.code.name, "").inc()
                context.abort(refusal.code, str(refusal))
            self._metrics.requests.labels(name, "OK", scorer_pb2.Rung.Name(response.rung)).inc()
            seconds.observe(perf_counter() - start)
            return response

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=bytes,
            response_serializer=scorer_pb2.RankResponse.SerializeToString,
        )

    def _budget(self, context: grpc.ServicerContext) -> Budget:
        given = context.time_remaining()
        seconds = self._budget_seconds if given is None else min(given, self._budget_seconds)
        return Budget.of_seconds(seconds)

    def _response(
        self, data: bytes, message: type[Message], method: Method, budget: Budget
    ) -> scorer_pb2.RankResponse:
        try:
            request = message.FromString(data)
        except DecodeError as error:
            raise _RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"the request is no {message.DESCRIPTOR.full_name}: {error}",
            ) from None
        try:
            answer = method(request, budget)
        except InvalidRequestError as error:
            raise _RefusedError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
        except NoModelError as error:
            raise _RefusedError(grpc.StatusCode.UNAVAILABLE, str(error)) from None
        return scorer_pb2.RankResponse(
            request_id=answer.request_id,
            model_version=answer.model_version,
            variant=self._variant,
            rung=scorer_pb2.Rung.Name(answer.rung),
            ads=[
                scorer_pb2.RankedAd(
                    ad_id=ad.ad_id,
                    ctr=ad.ctr,
                    propensity=ad.propensity,
                    source=ad.source,
                    expected_value=ad.expected_value,
                    token=ad.token,
                )
                for ad in answer.ads
            ],
        )


class _RefusedError(Exception):
    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
