"""Arms of the running experiment, by the labels of the last minutes."""

from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import Values, shown
from deploy.console.engine import Engine
from deploy.console.label_window import lift, merged, quality


def experiments(engine: Engine, request: Request) -> Values:
    """Arms with 95 % intervals, most labels first; ``lift`` is against the first of them."""
    total = engine.label_source.window.total()
    cells = {
        arm: merged(cell for (name, _), cell in total.items() if name == arm)
        for arm in {name for name, _ in total}
    }
    arms = sorted(cells, key=lambda arm: -cells[arm].quality.rows)
    return {
        "fault": engine.labels.reading.fault,
        "minutes": engine.settings.labels_minutes,
        "arms": [
            {
                "arm": arm,
                "versions": sorted(version for name, version in total if name == arm),
                "lift": None if arm == arms[0] else lift(cells[arm], cells[arms[0]]),
                **quality(cells[arm]),
            }
            for arm in arms
        ],
    }


routes = [Route("/api/experiments", shown(experiments))]
