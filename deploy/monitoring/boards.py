"""Grafana's boards as Python, written to grafana/*.json by ``python -m deploy.monitoring``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import metric_names as names
from schemas.metric_names import Metric

WIDTH, HEIGHT, COLUMNS = 8, 7, 3


@dataclass(frozen=True, slots=True)
class Panel:
    """``queries`` are legend to PromQL; ``unit`` is Grafana's."""

    title: str
    unit: str
    queries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Board:
    """Panels in rows of three."""

    uid: str
    title: str
    panels: Sequence[Panel]

    def to_json(self) -> dict[str, Any]:
        """As Grafana imports it; the data source is chosen there."""
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["ctr"],
            "schemaVersion": 39,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {
                "list": [{"name": "source", "type": "datasource", "query": "prometheus"}]
            },
            "panels": [_panel(place, panel) for place, panel in enumerate(self.panels)],
        }


def boards() -> list[Board]:
    """All there are."""
    return [_business(), _engine()]


def _business() -> Board:
    impressions, clicks = _rate(names.AD_IMPRESSIONS, "arm"), _rate(names.AD_CLICKS, "arm")
    revenue = _rate(names.AD_REVENUE_MICROS, "arm")
    pcoc = names.SERVED_PCOC.name
    return Board(
        "ctr-business",
        "CTR engine: business",
        [
            Panel(
                "Click-through rate by arm", "percentunit", {"{{arm}}": f"{clicks} / {impressions}"}
            ),
            Panel(
                "Revenue per 1,000 impressions by arm",
                "none",
                {"{{arm}}": f"{revenue} / 1000 / {impressions}"},
            ),
            Panel("Impressions a second by arm", "reqps", {"{{arm}}": impressions}),
            Panel(
                "Calibration: predicted over observed clicks",
                "none",
                {
                    "served": f'{pcoc}{{dimension="all"}}',
                    "learner": names.LEARNER_PCOC.name,
                },
            ),
            Panel("Calibration by arm", "none", {"{{value}}": f'{pcoc}{{dimension="arm"}}'}),
            Panel(
                "Calibration by position", "none", {"{{value}}": f'{pcoc}{{dimension="position"}}'}
            ),
            Panel(
                "Calibration by field",
                "none",
                {
                    "{{dimension}} {{value}}": (
                        f'{pcoc}{{dimension!~"all|arm|position"}} '
                        f"and on (dimension, value) {names.SERVED_CLICKS.name} > 20"
                    )
                },
            ),
            Panel(
                "Log loss",
                "none",
                {"served": names.SERVED_LOG_LOSS.name, "learner": names.LEARNER_LOG_LOSS.name},
            ),
            Panel("AUC of what was served", "none", {"served": names.SERVED_AUC.name}),
            Panel("Drift of features (PSI)", "none", {"{{feature}}": names.FEATURE_PSI.name}),
            Panel("Drift of features (KL)", "none", {"{{feature}}": names.FEATURE_KL.name}),
            Panel(
                "Served without a value",
                "percentunit",
                {"{{feature}}": names.FEATURE_DEFAULT_SHARE.name},
            ),
        ],
    )


def _engine() -> Board:
    freshness = {
        "event to Kafka": names.EVENT_TO_KAFKA_SECONDS,
        "click to counter": names.CLICK_TO_COUNTER_SECONDS,
        "counter to scorer": names.COUNTER_TO_SCORER_SECONDS,
        "click to label": names.CLICK_TO_LABEL_SECONDS,
        "click to gradient": names.CLICK_TO_GRADIENT_SECONDS,
        "click to delta": names.CLICK_TO_DELTA_SECONDS,
        "click to score": names.CLICK_TO_SCORE_SECONDS,
    }
    watermark = names.FLINK_WATERMARK_MS.name
    return Board(
        "ctr-engine",
        "CTR engine: engine",
        [
            Panel(
                "Requests a second by rung",
                "reqps",
                {"{{method}} {{rung}}": _rate(names.REQUESTS, "method, rung")},
            ),
            Panel(
                "Latency by rung, p99",
                "s",
                {"{{method}} {{rung}}": _quantile(names.REQUEST_SECONDS, "method, rung")},
            ),
            Panel(
                "Latency by stage, p99", "s", {"{{stage}}": _quantile(names.STAGE_SECONDS, "stage")}
            ),
            Panel(
                "Freshness of each hop, p99",
                "s",
                {name: _quantile(metric) for name, metric in freshness.items()},
            ),
            Panel(
                "Event time behind the clock",
                "s",
                {"{{job_name}}": (f"time() - min by (job_name) ({watermark} > 0 < 9e15) / 1000")},
            ),
            Panel(
                "Records not read yet",
                "short",
                {"{{topic}} {{partition}}": names.KAFKA_LAG.name},
            ),
            Panel(
                "Age of each partition's newest event",
                "s",
                {"{{topic}} {{partition}}": names.KAFKA_EVENT_AGE_SECONDS.name},
            ),
            Panel("Labels a second", "reqps", {"{{kind}}": _rate(names.LABELS, "kind")}),
            Panel(
                "Dead letters a second",
                "reqps",
                {"{{reason}}": _rate(names.DEAD_LETTERS, "reason")},
            ),
            Panel("Since the last row delta", "s", {"learner": names.LEARNER_SILENCE_SECONDS.name}),
            Panel(
                "Age of the model",
                "s",
                {
                    "newest label of the package": names.MODEL_DATA_AGE_SECONDS.name,
                    "newest label of the newest retrain": names.MODEL_RETRAINED_AGE_SECONDS.name,
                    "package": names.MODEL_AGE_SECONDS.name,
                },
            ),
            Panel(
                "Rows changed a second", "reqps", {"scorer": _rate(names.ROWS_APPLIED, "instance")}
            ),
            Panel(
                "Redis' memory",
                "bytes",
                {"used": names.REDIS_USED_BYTES.name, "limit": names.REDIS_LIMIT_BYTES.name},
            ),
            Panel(
                "Checkpoints: duration",
                "ms",
                {"{{job_name}}": names.FLINK_CHECKPOINT_MS.name},
            ),
            Panel(
                "Checkpoints that failed",
                "short",
                {"{{job_name}}": f"increase({names.FLINK_FAILED_CHECKPOINTS.name}[5m])"},
            ),
            Panel(
                "Busy tasks", "ms", {"{{task_name}}": f"topk(10, {names.FLINK_BUSY_MS.name} >= 0)"}
            ),
            Panel(
                "Back-pressured tasks",
                "ms",
                {"{{task_name}}": f"{names.FLINK_BACK_PRESSURED_MS.name} >= 0"},
            ),
            Panel("Heap", "bytes", {"{{job}}": names.FLINK_HEAP_BYTES.name}),
        ],
    )


def _rate(counter: Metric, by: str) -> str:
    return f"sum by ({by}) (rate({counter.name}_total[1m]))"


def _quantile(histogram: Metric, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile(0.99, sum by ({labels}) (rate({histogram.name}_bucket[1m])))"


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(place, COLUMNS)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": list(_targets(panel)),
    }


def _targets(panel: Panel) -> Iterator[dict[str, str]]:
    for place, (legend, query) in enumerate(panel.queries.items()):
        yield {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
