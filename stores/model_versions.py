"""The versions of a model that Redis keeps: which there are, which is served, back to another."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from pydantic import ValidationError

from schemas import redis_keys
from schemas.learner_status import LearnerStatus
from schemas.model_package import Manifest, ModelPackage, PackageError, fetch
from stores.redis_client import node_of


class VersionError(RuntimeError):
    """A version that is not there or cannot be served."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version that is kept; ``manifest`` is None if it is lost or damaged, ``withdrawn`` says why
    it was rolled back, if it was."""

    version: str
    current: bool
    published_ms: int
    manifest: Manifest | None
    withdrawn: str | None = None


class ModelVersions:
    """Of one model. Any call may raise redis.RedisError."""

    def __init__(self, client: redis.Redis, model: str) -> None:
        self._client: Any = client
        self.model = model

    def current(self) -> str | None:
        """The version that is served."""
        value = self._client.get(redis_keys.model_current(self.model))
        return None if value is None else str(value.decode())

    def learner(self) -> LearnerStatus | None:
        """What the learning job says of itself; None if there is none, or it cannot be read."""
        try:
            key = redis_keys.model_learner(self.model)
            return LearnerStatus.from_fields(self._client.hgetall(key))
        except ValueError:
            return None

    def versions(self) -> list[PublishedVersion]:
        """What is kept, oldest first."""
        current = self.current()
        reasons = self._client.hgetall(redis_keys.model_withdrawn(self.model))
        stored = self._client.zrange(redis_keys.model_versions(self.model), 0, -1, withscores=True)
        published = []
        for name, score in stored:
            version = name.decode()
            raw = self._client.get(redis_keys.model_manifest(self.model, version))
            withdrawn = json.loads(reasons[name])["reason"] if name in reasons else None
            published.append(
                PublishedVersion(version, version == current, int(score), _manifest(raw), withdrawn)
            )
        return published

    def fetch(self, version: str) -> ModelPackage:
        """A package that is kept. Raises PackageError if it is not, or is damaged."""
        return fetch(self.model, version, self._client.mget)

    def roll_back(
        self,
        reason: str,
        now_ms: int,
        to: str | None = None,
        expected: str | None = None,
        fingerprint: str | None = None,
    ) -> str:
        """Serve another version again and record why; returns which one.

        ``to`` None: the one that was published last before the current one, not withdrawn itself
        and not damaged. ``fingerprint`` is that of the features it must be made for; None: those of
        the current version, or any if ``to`` says which.
        Raises VersionError if there is none, or the one that is wanted cannot be served, or
        another version than ``expected`` is current.
        """
        versions = self.versions()
        place = next((index for index, item in enumerate(versions) if item.current), None)
        if place is None:
            raise VersionError(f"no version of {self.model} is current")
        bad, manifest = versions[place].version, versions[place].manifest
        if expected is not None:
            self._require_current(expected)
        usable = [item for item in versions if item.manifest and not item.withdrawn]
        if to is None:
            if fingerprint is None and manifest is not None:
                fingerprint = manifest.feature_fingerprint
            wanted = [item.version for item in versions[:place] if item in usable]
        else:
            wanted = [item.version for item in versions if item.version == to != bad]
        faults = []
        for good in reversed(wanted):
            try:
                self._require_servable(good, fingerprint)
                break
            except PackageError as error:
                faults.append(str(error))
        else:
            kept = ", ".join(item.version for item in usable if not item.current)
            raise VersionError(
                f"{self.model} cannot be rolled back{f' to {to}' if to else ''}: "
                + "; ".join(
                    [*faults, f"kept are {kept}" if kept else "no other good version is kept"]
                )
            )
        record = json.dumps({"ts": now_ms, "reason": reason, "to": good})
        with self.switching(bad) as switch:
            switch.set(redis_keys.model_current(self.model), good)
            switch.hset(redis_keys.model_withdrawn(self.model), bad, record)
            switch.hdel(redis_keys.model_withdrawn(self.model), good)
        return good

    @contextmanager
    def switching(self, expected: str | None = None) -> Iterator[Any]:
        """A transaction to fill, which takes place only while ``expected`` is current, if given.

        Raises VersionError if it is not, and nothing has been done then.
        """
        switch: Any
        with self._node().pipeline(transaction=True) as switch:
            if expected is not None:
                switch.watch(redis_keys.model_current(self.model))
                self._require_current(expected)
                switch.multi()
            yield switch
            try:
                switch.execute()
            except redis.WatchError:
                raise VersionError(
                    f"{self.model}: another version than {expected} became current just now"
                ) from None

    def _require_current(self, expected: str) -> None:
        current = self.current()
        if current != expected:
            raise VersionError(f"{self.model}: {current} is current by now, not {expected}")

    def _require_servable(self, version: str, fingerprint: str | None) -> None:
        """Raises PackageError if scorers would refuse it: they would go on with the bad one."""
        package = self.fetch(version)
        if fingerprint is not None:
            package.require_fingerprint(fingerprint)

    def _node(self) -> redis.Redis:
        """The server that holds all keys of the model."""
        return node_of(self._client, redis_keys.model_current(self.model))


def _manifest(raw: bytes | None) -> Manifest | None:
    try:
        return None if raw is None else Manifest.model_validate_json(raw)
    except ValidationError:
        return None
