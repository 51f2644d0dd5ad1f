"""Drift: how far what is served has moved from what the served model was trained on."""

from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import Values, shown
from deploy.console.engine import Engine, metrics_url
from deploy.console.sources import scrape
from deploy.scrape import Scrape
from schemas import metric_names as names
from schemas.metric_names import Metric

#: By custom: below 0.1 nothing has moved, from 0.25 on much has.
SOME, MUCH = 0.1, 0.25
_COLUMNS = {
    "psi": names.FEATURE_PSI,
    "kl": names.FEATURE_KL,
    "default_share": names.FEATURE_DEFAULT_SHARE,
}


def drift(engine: Engine, request: Request) -> Values:
    """Features as the monitor measured them, the most moved first."""
    here = metrics_url(engine.streaming.metrics_port_monitor)
    seen = scrape(engine.settings.monitor_metrics or here, "the monitor of drift")
    columns = {name: _by_feature(seen, metric) for name, metric in _COLUMNS.items()}
    features = sorted(set().union(*columns.values()))
    listed = [
        {"feature": feature, **{name: column.get(feature) for name, column in columns.items()}}
        for feature in features
    ]
    return {
        "some": SOME,
        "much": MUCH,
        "features": sorted(listed, key=lambda item: -(item["psi"] or 0.0)),
    }


def _by_feature(seen: Scrape, metric: Metric) -> dict[str, float]:
    return {labels["feature"]: value for labels, value in seen.samples.get(metric.name, [])}


routes = [Route("/api/drift", shown(drift))]
