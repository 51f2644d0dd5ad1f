"""How an endpoint answers: values, a fault of a source in words, or an action that was done."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException
from redis import RedisError
from redis.exceptions import RedisClusterException
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.console.engine import Engine
from deploy.console.watching import SourceFault
from stores.model_versions import VersionError
from streaming.command_options import ERRORS
from streaming.dead_letter_topic import DeadLettersUnread

_log = structlog.get_logger("console")

Values = Mapping[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]

#: What a part of the engine refuses or fails with; its words are for the operator.
FAULTS = (
    DeadLettersUnread,
    KafkaException,
    RedisClusterException,
    RedisError,
    SourceFault,
    VersionError,
    *ERRORS,
)


class InputError(ValueError):
    """A request names something that is not there; the message says which field."""


def shown(look: Callable[[Engine, Request], Values]) -> Endpoint:
    """A page's values. A source that is away is an answer too: ``fault`` says which and why."""

    async def endpoint(request: Request) -> Response:
        engine: Engine = request.app.state.engine
        try:
            values = await run_in_threadpool(look, engine, request)
        except FAULTS as error:
            values = {"fault": words(error, engine)}
        except InputError as error:
            return JSONResponse({"fault": str(error)}, 422)
        return JSONResponse(plain(values))

    return endpoint


def done(name: str, act: Callable[[Engine, Values], Values]) -> Endpoint:
    """An operator's action on a JSON body; logged and counted. 409: refused, with the reason.
    One at a time: a second click waits, and then finds what the first one did."""
    turn = asyncio.Lock()

    async def endpoint(request: Request) -> Response:
        engine: Engine = request.app.state.engine
        body: Any = None
        try:
            body = _object(await request.body())
            async with turn:
                values = await run_in_threadpool(act, engine, body)
        except InputError as error:
            outcome, answer = "invalid", JSONResponse({"fault": str(error)}, 422)
        except FAULTS as error:
            outcome, answer = "refused", JSONResponse({"fault": words(error, engine)}, 409)
        except Exception:
            engine.metrics.actions.labels(name, "failed").inc()
            _log.exception("action", action=name, outcome="failed", asked=body)
            raise
        else:
            outcome, answer = "done", JSONResponse(plain(values))
        engine.metrics.actions.labels(name, outcome).inc()
        _log.info("action", action=name, outcome=outcome, asked=body, answer=bytes(answer.body))
        return answer

    return endpoint


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InputError("expected a JSON object")
    return body


def text(body: Values, name: str, default: str | None = None, longest: int = 1_000) -> str:
    """A text of a body. Raises InputError."""
    value = body.get(name, default)
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        if value == default == "":
            return ""
        raise InputError(f"{name}: expected a text of 1 to {longest} characters")
    return value.strip()


def words(error: Exception, engine: Engine) -> str:
    """An error as an operator reads it, with who it is of."""
    if isinstance(error, KafkaException):
        return f"Kafka at {engine.shared.kafka}: {error.args[0].str()}"
    if isinstance(error, RedisError | RedisClusterException):
        return str(engine.redis.fault(error))
    return str(error)


def plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
