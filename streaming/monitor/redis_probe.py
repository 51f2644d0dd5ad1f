"""What Redis says of itself, of the learner and of the package that is served."""

import math
from typing import Any

import redis

from schemas import redis_keys
from schemas.feature_reference import FeatureReference
from schemas.learner_status import LearnerStatus
from schemas.model_package import REFERENCE_FILE, Manifest, fetch_file
from stores.model_versions import ModelVersions
from stores.redis_client import primaries
from streaming.monitor.metrics import MonitorMetrics

DRIFT_TTL_SECONDS = 3_600


class RedisProbe:
    """Of one model. Any call may raise redis.RedisError."""

    def __init__(self, client: redis.Redis, model: str) -> None:
        self._client: Any = client
        self._model = model

    def look(self, metrics: MonitorMetrics, now_ms: int) -> None:
        """Set the gauges. Raises ValueError if what is stored is damaged."""
        infos: list[Any] = [server.info("memory") for server in primaries(self._client)]
        metrics.redis_used.set(sum(info["used_memory"] for info in infos))
        metrics.redis_limit.set(sum(info.get("maxmemory", 0) for info in infos))
        status = LearnerStatus.from_fields(
            self._client.hgetall(redis_keys.model_learner(self._model))
        )
        if status is not None:
            metrics.learner_silence.set((now_ms - status.updated_ms) / 1000)
            metrics.learner_watermark_age.set((now_ms - status.watermark_ms) / 1000)
        version = self.current()
        manifest = None if version is None else self._manifest(version)
        if manifest is not None:
            metrics.model_data_age.set((now_ms - manifest.watermark_ms) / 1000)
        versions = ModelVersions(self._client, self._model).versions()
        if versions:
            retrained = [
                item.manifest.watermark_ms
                for item in versions
                if item.manifest and item.manifest.kind == "FULL" and not item.withdrawn
            ]
            newest_ms = max(retrained, default=-math.inf)
            metrics.model_retrained_age.set((now_ms - newest_ms) / 1000)

    def current(self) -> str | None:
        """The version that is served."""
        value = self._client.get(redis_keys.model_current(self._model))
        return None if value is None else str(value.decode())

    def reference(self, version: str) -> FeatureReference | None:
        """Of a version's package; None if it was made before there were any."""
        manifest = self._manifest(version)
        if manifest is None or REFERENCE_FILE not in manifest.files:
            return None
        data = fetch_file(manifest, REFERENCE_FILE, self._client.mget)
        return FeatureReference.model_validate_json(data)

    def write_drift(self, rows: dict[str, str]) -> None:
        """Feature to JSON, see redis_keys.model_drift; it is forgotten when nobody writes it."""
        key = redis_keys.model_drift(self._model)
        with self._client.pipeline(transaction=False) as commands:
            commands.delete(key)
            commands.hset(key, mapping=rows)
            commands.expire(key, DRIFT_TTL_SECONDS)
            commands.execute()

    def _manifest(self, version: str) -> Manifest | None:
        raw = self._client.get(redis_keys.model_manifest(self._model, version))
        return None if raw is None else Manifest.model_validate_json(raw)
