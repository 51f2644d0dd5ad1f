"""The loop: the newest picture as server-sent events, and the charts' history."""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from deploy.console.answers import Values, plain, shown
from deploy.console.engine import Engine

MOST_STREAMS = 100
LOOK_SECONDS = 0.25
_open: set[int] = set()


async def stream(request: Request) -> Response:
    """An event each time the picture is drawn anew."""
    engine: Engine = request.app.state.engine
    if len(_open) >= MOST_STREAMS:
        return PlainTextResponse("too many pages are open", 503)
    return StreamingResponse(
        _events(engine), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _events(engine: Engine) -> AsyncIterator[str]:
    me = id(asyncio.current_task())
    _open.add(me)
    engine.metrics.streams.set(len(_open))
    told = 0.0
    try:
        while not engine.stopping:
            picture = engine.picture
            if picture["at"] != told:
                told = picture["at"]
                yield f"event: picture\ndata: {json.dumps(plain(picture))}\n\n"
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        _open.discard(me)
        engine.metrics.streams.set(len(_open))


def history(engine: Engine, request: Request) -> Values:
    """Columns of the charts."""
    return engine.history()


def picture(engine: Engine, request: Request) -> Values:
    """The newest picture, for scripts."""
    return engine.picture


routes = [
    Route("/api/stream", stream),
    Route("/api/loop", shown(picture)),
    Route("/api/history", shown(history)),
]
