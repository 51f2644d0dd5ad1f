"""What guards every request: security headers on the answer, and who may act."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.console.sessions import COOKIE, Sessions

#: Nothing from elsewhere is loaded, sent to or framed; no inline script or style.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
READS = ("GET", "HEAD")
#: Needs no session, as it gives one.
OPEN = ("/login",)
MOST_BODY_BYTES = 64 * 1024


class Guard:
    """As plain ASGI, so that streams are not held up. Refused: 403 without the right to act, also
    for a page of another site; 413 for a body that is larger than any of ours."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Request(scope))
        app = self._app if refusal is None else refusal
        await app(scope, receive, with_headers)

    def _refusal(self, request: Request) -> JSONResponse | None:
        if request.method in READS:
            return None
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return JSONResponse({"fault": "this came from another site"}, 403)
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            return JSONResponse({"fault": f"expected up to {MOST_BODY_BYTES} bytes"}, 413)
        if request.url.path in OPEN:
            return None
        if not self._sessions.may_act(request.cookies.get(COOKIE), request.headers):
            return JSONResponse({"fault": "log in with the operator's credential to act"}, 403)
        return None
