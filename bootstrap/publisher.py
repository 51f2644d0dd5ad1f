"""Writes packages to Redis so that readers see all of a version or nothing of it.

Files are written with a short life; one transaction then makes them stay and switches ``current``.
What a killed publisher leaves expires by itself.
"""

import redis

from schemas import redis_keys
from schemas.model_package import ModelPackage
from stores.model_versions import ModelVersions, PublishedVersion, VersionError

UNFINISHED_SECONDS = 3600


class PublishError(VersionError):
    """A version that cannot be published."""


class Publisher(ModelVersions):
    """Of one model's versions. Any call may raise redis.RedisError."""

    def __init__(self, client: redis.Redis, model: str, keep_versions: int) -> None:
        super().__init__(client, model)
        self._keep_versions = keep_versions

    def publish(self, package: ModelPackage, now_ms: int, expected: str | None = None) -> None:
        """Write a package, then switch ``current`` to it from ``expected``, if given; versions
        beyond the kept ones go, but for the newest FULL one.

        Raises PublishError if the version exists or belongs to another model, VersionError if
        another version than ``expected`` is current.
        """
        manifest = package.manifest
        if manifest.model != self.model:
            raise PublishError(f"package {manifest.version} is of model {manifest.model}")
        if self._client.exists(redis_keys.model_manifest(self.model, manifest.version)):
            raise PublishError(f"{self.model} {manifest.version} is published already")
        manifest_key = redis_keys.model_manifest(self.model, manifest.version)
        chunks = [(key, data) for key, data in package.writes() if key != manifest_key]
        for key, data in chunks:
            self._client.set(key, data, ex=UNFINISHED_SECONDS)
        with self.switching(expected) as switch:
            for key, _ in chunks:
                switch.persist(key)
            switch.set(manifest_key, manifest.model_dump_json())
            switch.zadd(redis_keys.model_versions(self.model), {manifest.version: now_ms})
            switch.set(redis_keys.model_current(self.model), manifest.version)
        self._remove_old()

    def _remove_old(self) -> None:
        kept = self.versions()
        surplus = max(0, len(kept) - self._keep_versions)
        # Hourly snapshots of a model that goes wrong must leave something to go back to.
        good = [item for item in kept if item.manifest and not item.withdrawn]
        whole = [item.version for item in good if item.manifest and item.manifest.kind == "FULL"]
        for old in kept[:surplus]:
            if not old.current and old.version not in whole[-1:]:
                self._remove(old)

    def _remove(self, old: PublishedVersion) -> None:
        model, version = self.model, old.version
        keys = [
            redis_keys.model_manifest(model, version),
            redis_keys.model_deltas(model, version),
            redis_keys.model_rows(model, version),
        ]
        files = {} if old.manifest is None else old.manifest.files
        for name, entry in files.items():
            keys.extend(entry.chunk_keys(model, version, name))
        with self._node().pipeline(transaction=True) as removal:
            removal.zrem(redis_keys.model_versions(model), version)
            removal.hdel(redis_keys.model_withdrawn(model), version)
            removal.unlink(*keys)
            removal.execute()
