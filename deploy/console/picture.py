"""The loop as a picture: boxes with their health and its reason in words, edges with figures."""

from dataclasses import asdict
from typing import Any

from deploy.console import boxes
from deploy.console.sight import Edge, Figure, Health, Sight


def picture(sight: Sight) -> dict[str, Any]:
    """Boxes, edges and alerts, ready for JSON."""
    drawn = [
        boxes.ad_server(sight),
        boxes.kafka(sight),
        boxes.job(sight, "events", "Events job", sight.events),
        boxes.redis(sight),
        boxes.scorer(sight),
        boxes.learning(sight),
        boxes.dead_letters(sight),
        boxes.lake(sight),
        boxes.bootstrap(sight),
    ]
    worst = max((box.health for box in drawn), key=list(Health).index)
    return {
        "at": sight.now,
        "health": worst,
        "boxes": [asdict(box) for box in drawn],
        "edges": [asdict(edge) for edge in _edges(sight)],
        "alerts": None
        if sight.alerts.value is None
        else [asdict(alert) for alert in sight.alerts.value],
        "alerts_fault": sight.alerts.fault,
    }


def _edges(sight: Sight) -> list[Edge]:
    rates = sight.rates
    broker, redis = sight.broker.value, sight.redis.value
    learner = None if redis is None else redis.learner
    learnt_age = None if learner is None else sight.now - learner.updated_ms / 1000
    lag = None if broker is None else broker.events_lag
    samples_lag = None if broker is None else broker.learning_lag

    def rate(label: str, name: str) -> Figure:
        return Figure(label, rates.per_second(name), "/s")

    def p99(name: str) -> Figure:
        return Figure("p99", rates.quantile(name, 0.99), "s")

    counters = [rate("rows", "rows_written"), p99("click_to_counter")]

    return [
        Edge(
            "adserver", "kafka", "events", [rate("shown", "impressions"), rate("clicks", "clicks")]
        ),
        Edge("kafka", "events", "to join", [Figure("lag", lag, "records")]),
        Edge("events", "redis", "counters", counters),
        Edge("redis", "scorer", "changes", [rate("rows", "rows_applied"), p99("click_to_score")]),
        Edge("scorer", "adserver", "answers", [rate("calls", "requests"), p99("request_seconds")]),
        Edge(
            "events",
            "learning",
            "samples",
            [rate("labels", "training-samples"), Figure("lag", samples_lag, "records")],
        ),
        Edge(
            "learning",
            "redis",
            "row deltas",
            [rate("rows", "delta_rows"), Figure("last", learnt_age, "s ago")],
        ),
        Edge("events", "lake", "Parquet", [Figure("newest", sight.lake_age.value, "s ago")]),
        Edge("events", "dead-letters", "refused", [rate("refused", "dead-letters")]),
        Edge("lake", "bootstrap", "history", []),
        Edge("bootstrap", "redis", "packages", []),
    ]
