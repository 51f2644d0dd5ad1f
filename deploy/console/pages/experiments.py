"""Arms of the running experiment, by the labels of the last minutes."""

from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import Values, shown
from deploy.console.engine import Engine
from deploy.console.label_window import merged, quality


def experiments(engine: Engine, request: Request) -> Values:
    """Arms with 95 % intervals, most labels first."""
    total = engine.label_source.window.total()
    arms = sorted({name for name, _ in total})
    listed = [
        {
            "arm": arm,
            "versions": sorted(version for name, version in total if name == arm),
            **quality(merged(cell for (name, _), cell in total.items() if name == arm)),
        }
        for arm in arms
    ]
    return {
        "fault": engine.labels.reading.fault,
        "minutes": engine.settings.labels_minutes,
        "arms": sorted(listed, key=lambda arm: -arm["rows"]),
    }


routes = [Route("/api/experiments", shown(experiments))]
