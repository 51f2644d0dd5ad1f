"""Why an ad gets its probability: what each field of a request adds to the logit."""

from pathlib import Path
from typing import Any

import grpc
from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import InputError, Values, shown
from deploy.console.engine import Engine
from deploy.console.settings import ConsoleSettings
from deploy.console.watching import SourceFault
from schemas.features import FeatureError, FeatureSpec
from schemas.proto.ctr.v1 import scorer_pb2
from schemas.proto.ctr.v1.scorer_pb2_grpc import ScorerStub

MOST_ADS = 20


def explain(engine: Engine, request: Request) -> Values:
    """``user``, ``context`` and ``ads`` of the query; without ads those that Rank answers."""
    query, settings = request.query_params, engine.settings
    try:
        keys = sorted(FeatureSpec.load(engine.shared.features).context_keys)
    except FeatureError as error:
        raise SourceFault(str(error)) from None
    form = {"context_keys": keys, "scorer": settings.scorer}
    if "user" not in query:
        return form
    user, context = query["user"].strip(), _context(query.get("context", ""))
    wanted = [ad.strip() for ad in query.get("ads", "").split(",") if ad.strip()]
    if not user:
        raise InputError("user: expected the id of a user")
    if len(wanted) > MOST_ADS:
        raise InputError(f"ads: expected at most {MOST_ADS}")
    try:
        with _channel(settings) as channel:
            scorer: Any = ScorerStub(channel)  # type: ignore[no-untyped-call]
            if not wanted:
                ask = scorer_pb2.RankRequest(
                    request_id="console", user_id=user, context=context, limit=5
                )
                ranked = scorer.Rank(ask, timeout=settings.timeout_seconds)
                wanted = [ad.ad_id for ad in ranked.ads]
            answer = scorer.Explain(
                scorer_pb2.ScoreRequest(
                    request_id="console",
                    user_id=user,
                    context=context,
                    candidates=[scorer_pb2.Candidate(ad_id=ad) for ad in wanted],
                ),
                timeout=settings.timeout_seconds,
            )
    except grpc.RpcError as error:
        raise SourceFault(
            f"the scorer at {settings.scorer} answers {error.code().name}: {error.details()}"
        ) from None
    return {
        **form,
        "model_version": answer.model_version,
        "variant": answer.variant,
        "rung": scorer_pb2.Rung.Name(answer.rung),
        "ads": [_ad(ad) for ad in answer.ads],
    }


def _ad(ad: Any) -> dict[str, Any]:
    return {
        "ad_id": ad.ad_id,
        "ctr": ad.ctr,
        "logit": ad.logit,
        "constant": ad.constant,
        "contributions": [
            {
                "field": each.field,
                "value": each.value,
                "total": each.total,
                "first_order": each.first_order,
                "interaction": each.interaction,
                "tower": each.tower,
            }
            for each in ad.contributions
        ],
    }


def _context(text: str) -> dict[str, str]:
    """From ``key=value`` pairs by commas or lines. Raises InputError."""
    context = {}
    for pair in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"context: {pair} is no key=value")
        context[key.strip()] = value.strip()
    return context


def _channel(settings: ConsoleSettings) -> grpc.Channel:
    if settings.scorer_ca is None:
        return grpc.insecure_channel(settings.scorer)
    credentials = grpc.ssl_channel_credentials(
        settings.scorer_ca.read_bytes(), _read(settings.scorer_key), _read(settings.scorer_cert)
    )
    return grpc.secure_channel(settings.scorer, credentials)


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


routes = [Route("/api/explain", shown(explain))]
