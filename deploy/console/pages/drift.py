"""Drift: how far what is served has moved from what was trained on."""

from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import Values, shown
from deploy.console.engine import Engine


def drift(engine: Engine, request: Request) -> Values:
    """Per feature."""
    return {"features": [], "fault": ""}


routes = [Route("/api/drift", shown(drift))]
