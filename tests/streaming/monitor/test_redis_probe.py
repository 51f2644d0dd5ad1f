"""What the monitor reads of a real Redis: how old the model is, and the last retrain."""

import math

import pytest
import redis
from prometheus_client import CollectorRegistry

from bootstrap.publisher import Publisher
from schemas import metric_names
from schemas.model_package import Manifest, ModelPackage
from streaming.monitor.metrics import monitor_metrics
from streaming.monitor.redis_probe import RedisProbe

NOW_MS = 1_000_000


def ages(client: redis.Redis) -> tuple[float | None, float | None]:
    """Of the newest label in the current package and in the newest retrained one, seconds."""
    registry = CollectorRegistry()
    RedisProbe(client, "m").look(monitor_metrics(registry), NOW_MS)
    current, retrained = (
        registry.get_sample_value(metric.name)
        for metric in (
            metric_names.MODEL_DATA_AGE_SECONDS,
            metric_names.MODEL_RETRAINED_AGE_SECONDS,
        )
    )
    return current, retrained


def package(version: str, kind: str, watermark_ms: int) -> ModelPackage:
    manifest = Manifest.model_validate(
        {
            "model": "m",
            "version": version,
            "kind": kind,
            "created_ms": 1,
            "watermark_ms": watermark_ms,
            "feature_fingerprint": "f",
            "files": {},
        }
    )
    return ModelPackage(manifest, {})


def test_hourly_snapshots_make_the_model_younger_but_not_the_last_retrain(
    redis_url: str,
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        publisher = Publisher(client, "m", keep_versions=5)
        assert ages(client) == (0.0, 0.0)
        publisher.publish(package("v1", "FULL", 400_000), 1)
        publisher.publish(package("v2", "DENSE", 900_000), 2)
        assert ages(client) == pytest.approx((100.0, 600.0))
        publisher.publish(package("v3", "FULL", 950_000), 3)
        publisher.roll_back("worse", 4)
        assert ages(client) == pytest.approx((100.0, 600.0))


def test_without_any_good_retrain_its_age_is_without_end(redis_url: str) -> None:
    """One that stood still would never raise an alert."""
    with redis.Redis.from_url(redis_url) as client:
        publisher = Publisher(client, "m", keep_versions=5)
        publisher.publish(package("v1", "DENSE", 900_000), 1)
        publisher.publish(package("v2", "FULL", 900_000), 2)
        assert ages(client) == pytest.approx((100.0, 100.0))
        publisher.roll_back("worse", 3)
        assert ages(client) == (100.0, math.inf)
