"""The gRPC service Scorer: converts, calls, converts."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from schemas.model_package import PackageError
from schemas.proto.ctr.v1 import scorer_pb2
from scorer.api import rpc
from scorer.api.validation import Validator
from scorer.metrics import ScorerMetrics
from scorer.questions import Answer, InvalidRequestError, NoModelError
from scorer.ranking.budget import Budget
from scorer.ranking.explaining import Explained, ExplainedAd, Explaining
from scorer.ranking.ranker import Ranker

SERVICE = scorer_pb2.DESCRIPTOR.services_by_name["Scorer"].full_name


class ScorerServicer:
    """Rank, Score and Explain."""

    def __init__(
        self,
        ranker: Ranker,
        explaining: Explaining,
        validator: Validator,
        budget_seconds: float,
        metrics: ScorerMetrics,
    ) -> None:
        self._ranker = ranker
        self._explaining = explaining
        self._validator = validator
        self._budget_seconds = budget_seconds
        self._metrics = metrics

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """The service, to be added to a server."""

        def rank(request: scorer_pb2.RankRequest, budget: Budget) -> rpc.Reply:
            return self._answer(self._ranker.rank(self._validator.rank(request), budget))

        def score(request: scorer_pb2.ScoreRequest, budget: Budget) -> rpc.Reply:
            return self._answer(self._ranker.score(self._validator.score(request), budget))

        def explain(request: scorer_pb2.ScoreRequest, budget: Budget) -> rpc.Reply:
            question = self._validator.score(request)
            return self._explained(self._explaining.explain(question, budget))

        methods: dict[str, tuple[type[Message], Callable[[Any, Budget], rpc.Reply]]] = {
            "Rank": (scorer_pb2.RankRequest, rank),
            "Score": (scorer_pb2.ScoreRequest, score),
            "Explain": (scorer_pb2.ScoreRequest, explain),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: rpc.method(name, message, self._within_budget(call), self._metrics)
                for name, (message, call) in methods.items()
            },
        )

    def _within_budget(self, call: Callable[[Any, Budget], rpc.Reply]) -> rpc.Call:
        def answered(request: Any, context: grpc.ServicerContext) -> rpc.Reply:
            try:
                return call(request, self._budget(context))
            except InvalidRequestError as error:
                raise rpc.RefusedError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
            except NoModelError as error:
                raise rpc.RefusedError(grpc.StatusCode.UNAVAILABLE, str(error)) from None
            except PackageError as error:
                raise rpc.RefusedError(grpc.StatusCode.UNIMPLEMENTED, str(error)) from None

        return answered

    def _budget(self, context: grpc.ServicerContext) -> Budget:
        given = context.time_remaining()
        seconds = self._budget_seconds if given is None else min(given, self._budget_seconds)
        return Budget.of_seconds(seconds)

    def _answer(self, answer: Answer) -> rpc.Reply:
        head = scorer_pb2.RankResponse(
            request_id=answer.request_id,
            model_version=answer.model_version,
            variant=answer.variant,
            rung=answer.rung.name,
        )
        # Messages one behind the other are one message: the ads are the last field.
        return rpc.Reply(head.SerializeToString() + answer.ads, answer.rung.name)

    def _explained(self, explained: Explained) -> rpc.Reply:
        response = scorer_pb2.ExplainResponse(
            request_id=explained.request_id,
            model_version=explained.model_version,
            variant=explained.variant,
            rung=explained.rung.name,
            ads=[_explained_ad(ad) for ad in explained.ads],
        )
        return rpc.Reply.of(response, explained.rung.name)


def _explained_ad(ad: ExplainedAd) -> scorer_pb2.ExplainedAd:
    return scorer_pb2.ExplainedAd(
        ad_id=ad.ad_id,
        ctr=ad.explanation.ctr,
        logit=ad.explanation.logit,
        constant=ad.explanation.constant,
        contributions=[
            scorer_pb2.Contribution(
                field=part.field,
                value=ad.values.get(part.field, ""),
                total=part.total,
                first_order=part.first_order,
                interaction=part.interaction,
                tower=part.tower,
            )
            for part in ad.explanation.contributions
        ],
    )
