"""The web application: pages, their endpoints, login; no decision is taken here."""

from importlib import import_module
from pathlib import Path
from urllib.parse import parse_qs

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from deploy.console.engine import Engine
from deploy.console.guard import Guard
from deploy.console.sessions import COOKIE, LoginRefused, Sessions

FOLDER = Path(__file__).parent
#: Path, title, and the module in pages/ that answers it and the one in static/ that shows it.
PAGES = (
    ("/", "Loop", "loop"),
    ("/models", "Models", "models"),
    ("/calibration", "Calibration", "calibration"),
    ("/experiments", "Experiments", "experiments"),
    ("/drift", "Drift", "drift"),
    ("/dead-letters", "Dead letters", "dead_letters"),
    ("/savepoints", "Savepoints", "savepoints"),
    ("/explain", "Explain", "explain"),
)

_templates = Jinja2Templates(FOLDER / "templates")


def application(engine: Engine, sessions: Sessions) -> Starlette:
    """Everything that the console answers."""
    routes: list[BaseRoute] = [
        Route("/healthz", healthz),
        Route("/metrics", metrics),
        Route("/login", login, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
        Mount("/static", StaticFiles(directory=FOLDER / "static"), name="static"),
    ]
    for path, _, name in PAGES:
        routes.append(Route(path, page))
        routes.extend(import_module(f"deploy.console.pages.{name}").routes)
    hosts = engine.settings.hosts.split(",")
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
            Middleware(Guard, sessions=sessions),
        ],
    )
    app.state.engine, app.state.sessions = engine, sessions
    return app


def page(request: Request) -> Response:
    """The frame of a page; its module fills it."""
    title, name = next((title, name) for path, title, name in PAGES if path == request.url.path)
    return _rendered(request, "page.html", title=title, name=name)


async def login(request: Request) -> Response:
    """The form, or with the right credential a session."""
    if request.method == "GET":
        return _rendered(request, "login.html", title="Log in", name="login", refusal="")
    given = parse_qs((await request.body()).decode(errors="replace")).get("credential", [""])[0]
    sessions: Sessions = request.app.state.sessions
    try:
        cookie = sessions.log_in(given)
    except LoginRefused as refusal:
        return _rendered(
            request, "login.html", 403, title="Log in", name="login", refusal=str(refusal)
        )
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=int(sessions.seconds),
        httponly=True,
        samesite="strict",
        secure=request.app.state.engine.settings.secure_cookie,
    )
    return answer


async def logout(request: Request) -> Response:
    """End the session."""
    request.app.state.sessions.log_out(request.cookies.get(COOKIE, ""))
    answer = JSONResponse({})
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def healthz(request: Request) -> Response:
    """The console lives; what it watches may not, and is told by ``health``."""
    return JSONResponse({"status": "ok", "health": request.app.state.engine.picture["health"]})


def metrics(request: Request) -> Response:
    """For Prometheus."""
    text = generate_latest(request.app.state.engine.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _rendered(request: Request, template: str, status: int = 200, **values: str) -> Response:
    sessions: Sessions = request.app.state.sessions
    session = sessions.of(request.cookies.get(COOKIE))
    context = {
        "pages": PAGES,
        "path": request.url.path,
        "model": request.app.state.engine.shared.model,
        "csrf": session.csrf if session else "",
        "is_operator": session is not None,
        "read_only": sessions.read_only,
        **values,
    }
    return _templates.TemplateResponse(
        request, template, context, status, headers={"Cache-Control": "no-store"}
    )
