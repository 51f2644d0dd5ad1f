"""Calibration of the labels of the last minutes: predicted against observed, by decile."""

from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import Values, shown
from deploy.console.engine import Engine
from deploy.console.label_window import merged, quality, reliability


def calibration(engine: Engine, request: Request) -> Values:
    """Of all labels, or of those of one ``arm``."""
    reading = engine.labels.reading
    total = engine.label_source.window.total()
    arm = request.query_params.get("arm", "")
    chosen = merged(cell for (name, _), cell in total.items() if arm in ("", name))
    return {
        "fault": reading.fault,
        "minutes": engine.settings.labels_minutes,
        "skipped": engine.label_source.skipped,
        "arms": sorted({name for name, _ in total}),
        "arm": arm,
        "deciles": reliability(chosen),
        "quality": quality(chosen),
        "versions": [
            {"arm": name, "version": version, **quality(cell)}
            for (name, version), cell in sorted(total.items())
        ],
    }


routes = [Route("/api/calibration", shown(calibration))]
