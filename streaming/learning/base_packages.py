"""The base package that a learner starts from, as bootstrap publishes it in Redis."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from schemas import redis_keys
from schemas.model_package import ModelPackage, PackageError, fetch
from streaming.redis_sink.pipeline import RedisPipeline

_log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
LOG_SECONDS = 15.0


class NoBasePackageError(RuntimeError):
    """Nothing was published for the model in the time that was allowed."""


class BasePackages:
    """Reads packages of one model, for one feature declaration."""

    def __init__(
        self,
        pipeline: RedisPipeline,
        model: str,
        fingerprint: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pipeline = pipeline
        self._model = model
        self._fingerprint = fingerprint
        self._clock = clock
        self._sleep = sleep

    def current(self) -> str | None:
        """The version that is served, None before the first."""
        key = redis_keys.model_current(self._model)
        value: Any = self._pipeline.repeated(lambda: self._pipeline.client.get(key))
        return None if value is None else value.decode()

    def fetch(self, version: str) -> ModelPackage:
        """A package. Raises PackageError if it is damaged or made for other features."""
        package = fetch(self._model, version, self._values)
        package.require_fingerprint(self._fingerprint)
        return package

    def wait(self, timeout_seconds: float) -> ModelPackage:
        """The current package, as soon as there is one that can be used.

        Raises NoBasePackageError after the time-out; nothing is lost, samples stay in Kafka.
        """
        start = self._clock()
        logged = start - LOG_SECONDS
        while True:
            reason = "nothing is published"
            version = self.current()
            if version is not None:
                try:
                    return self.fetch(version)
                except PackageError as error:
                    reason = str(error)
            now = self._clock()
            if now - start >= timeout_seconds:
                raise NoBasePackageError(
                    f"no base package for model {self._model}: {reason}; publish one with "
                    "python -m bootstrap train"
                )
            if now - logged >= LOG_SECONDS:
                _log.info("waiting for a base package", model=self._model, reason=reason)
                logged = now
            self._sleep(POLL_SECONDS)

    def _values(self, keys: Sequence[str]) -> list[bytes | None]:
        values: Any = self._pipeline.repeated(lambda: self._pipeline.client.mget(list(keys)))
        return list(values)
