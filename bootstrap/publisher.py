"""Writes packages to Redis so that readers see all of a version or nothing of it.

Files are written with a short life; one transaction then makes them stay and switches ``current``.
What a killed publisher leaves expires by itself.
"""

import json
from dataclasses import dataclass
from typing import Any

import redis

from schemas import redis_keys
from schemas.model_package import Manifest, ModelPackage, chunk_count, fetch
from stores.redis_client import node_of

UNFINISHED_SECONDS = 3600


class PublishError(RuntimeError):
    """A version that cannot be published."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version that is kept; ``manifest`` is None if it has been lost, ``withdrawn`` says why
    it was rolled back, if it was."""

    version: str
    current: bool
    published_ms: int
    manifest: Manifest | None
    withdrawn: str | None = None


class Publisher:
    """Of one model's versions. Any call may raise redis.RedisError."""

    def __init__(self, client: redis.Redis, model: str, keep_versions: int) -> None:
        self._client: Any = client
        self._model = model
        self._keep_versions = keep_versions

    def current(self) -> str | None:
        """The version that is served."""
        value = self._client.get(redis_keys.model_current(self._model))
        return None if value is None else str(value.decode())

    def versions(self) -> list[PublishedVersion]:
        """What is kept, oldest first."""
        current = self.current()
        reasons = self._client.hgetall(redis_keys.model_withdrawn(self._model))
        stored = self._client.zrange(redis_keys.model_versions(self._model), 0, -1, withscores=True)
        published = []
        for name, score in stored:
            version = name.decode()
            raw = self._client.get(redis_keys.model_manifest(self._model, version))
            manifest = None if raw is None else Manifest.model_validate_json(raw)
            withdrawn = json.loads(reasons[name])["reason"] if name in reasons else None
            published.append(
                PublishedVersion(version, version == current, int(score), manifest, withdrawn)
            )
        return published

    def fetch(self, version: str) -> ModelPackage:
        """A package that is kept. Raises PackageError if it is not, or is damaged."""
        return fetch(self._model, version, self._client.mget)

    def publish(self, package: ModelPackage, now_ms: int) -> None:
        """Write a package, then switch ``current`` to it; versions beyond the kept ones go.

        Raises PublishError if the version exists or belongs to another model.
        """
        manifest = package.manifest
        if manifest.model != self._model:
            raise PublishError(f"package {manifest.version} is of model {manifest.model}")
        if self._client.exists(redis_keys.model_manifest(self._model, manifest.version)):
            raise PublishError(f"{self._model} {manifest.version} is published already")
        manifest_key = redis_keys.model_manifest(self._model, manifest.version)
        chunks = [(key, data) for key, data in package.writes() if key != manifest_key]
        for key, data in chunks:
            self._client.set(key, data, ex=UNFINISHED_SECONDS)
        with self._node().pipeline(transaction=True) as switch:
            for key, _ in chunks:
                switch.persist(key)
            switch.set(manifest_key, manifest.model_dump_json())
            switch.zadd(redis_keys.model_versions(self._model), {manifest.version: now_ms})
            switch.set(redis_keys.model_current(self._model), manifest.version)
            switch.execute()
        self._remove_old()

    def roll_back(
        self, reason: str, now_ms: int, to: str | None = None, expected: str | None = None
    ) -> str:
        """Serve another version again and record why; returns which one.

        ``to`` None: the one that was published last before the current one and not withdrawn
        itself. Raises PublishError if there is none, or the one that is wanted cannot be served, or
        another version than ``expected`` is current.
        """
        versions = self.versions()
        place = next((index for index, item in enumerate(versions) if item.current), None)
        if place is None:
            raise PublishError(f"no version of {self._model} is current")
        if expected not in (None, versions[place].version):
            raise PublishError(
                f"{self._model}: {versions[place].version} is current by now, not {expected}"
            )
        usable = [item for item in versions if item.manifest and not item.withdrawn]
        if to is None:
            earlier = [item for item in versions[:place] if item in usable]
        else:
            earlier = [item for item in versions if item.version == to and item.manifest]
        if not earlier or earlier[-1].current:
            kept = ", ".join(item.version for item in usable if not item.current) or "none"
            raise PublishError(
                f"{self._model} cannot be rolled back{f' to {to}' if to else ''}: kept are {kept}"
            )
        bad, good = versions[place].version, earlier[-1].version
        record = json.dumps({"ts": now_ms, "reason": reason, "to": good})
        with self._node().pipeline(transaction=True) as switch:
            switch.set(redis_keys.model_current(self._model), good)
            switch.hset(redis_keys.model_withdrawn(self._model), bad, record)
            switch.hdel(redis_keys.model_withdrawn(self._model), good)
            switch.execute()
        return good

    def _node(self) -> redis.Redis:
        """The server that holds all keys of the model."""
        return node_of(self._client, redis_keys.model_current(self._model))

    def _remove_old(self) -> None:
        kept = self.versions()
        surplus = max(0, len(kept) - self._keep_versions)
        for old in kept[:surplus]:
            if not old.current:
                self._remove(old)

    def _remove(self, old: PublishedVersion) -> None:
        model, version = self._model, old.version
        keys = [
            redis_keys.model_manifest(model, version),
            redis_keys.model_deltas(model, version),
            redis_keys.model_rows(model, version),
        ]
        files = {} if old.manifest is None else old.manifest.files
        for name, entry in files.items():
            chunks = range(chunk_count(entry.size_bytes))
            keys.extend(redis_keys.model_chunk(model, version, name, index) for index in chunks)
        with self._node().pipeline(transaction=True) as removal:
            removal.zrem(redis_keys.model_versions(model), version)
            removal.hdel(redis_keys.model_withdrawn(model), version)
            removal.unlink(*keys)
            removal.execute()
