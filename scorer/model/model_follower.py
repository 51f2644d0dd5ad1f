"""Follows the version that should be served and prepares it aside for the feeder to swap in; or, if
its row deltas had a gap, what it lacks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import TypeVar

import redis
import structlog

from schemas.model_package import PackageError
from scorer.metrics import ScorerMetrics
from scorer.model.delta_stream import NewRows
from scorer.model.model_holder import DeltaPosition, ModelHolder, ServedModel
from scorer.model.model_loader import ModelLoader

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)
#: A version that was refused is tried again after this long: it may have been repaired.
RETRY_SECONDS = 10.0


class ModelFollower(threading.Thread):
    """Polls ``current``; a broken package is refused by name and the served one stays."""

    def __init__(
        self,
        loader: ModelLoader,
        holder: ModelHolder,
        metrics: ScorerMetrics,
        poll_seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(name="model-follower", daemon=True)
        self._loader = loader
        self._holder = holder
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._resync_from: DeltaPosition | None = None
        self._prepared: ServedModel | NewRows | None = None
        self._taken = threading.Event()
        self._refused: dict[str, float] = {}

    def stop(self) -> None:
        """End soon; join the thread afterwards."""
        self._stopping.set()
        self._wake.set()
        self._taken.set()

    def request_resync(self, position: DeltaPosition) -> None:
        """Find what the served model lacks: its row deltas do not go on after ``position``."""
        self._resync_from = position
        self._wake.set()

    @contextmanager
    def prepared(self) -> Iterator[ServedModel | NewRows | None]:
        """A model that is ready to be served or what the served one lacks, once. Until the block
        ends nothing else is prepared: it is not known before which model is served."""
        prepared, self._prepared = self._prepared, None
        try:
            yield prepared
        finally:
            if prepared is not None:
                self._taken.set()

    def run(self) -> None:
        """Work until stopped; a fault is logged and tried again."""
        while not self._stopping.is_set():
            try:
                if self._loader.has_ads():
                    self._follow()
            except redis.RedisError as error:
                _log.warning("cannot read the model", error=str(error))
            except Exception:  # the thread must outlive any fault of a package
                self._metrics.feeder_errors.inc()
                _log.exception("model follower failed")
            self._wake.wait(self._poll_seconds)
            self._wake.clear()

    def _follow(self) -> None:
        version = self._loader.current_version()
        served = self._holder.current
        resync = self._resync_from
        if version is None:
            return
        prepared: ServedModel | NewRows | None = None
        if served is None or served.manifest.version != version:
            prepared = self._tried(version, partial(self._loader.load, version, served is not None))
        # Also while another version is refused: the learner, too, goes on with the served one.
        if prepared is None and served is not None and resync is not None:
            missed = partial(self._loader.missed, served, resync)
            prepared = self._tried(served.manifest.version, missed)
        if prepared is not None:
            self._resync_from = None
            self._hand_over(prepared)

    def _tried(self, version: str, prepare: Callable[[], _T]) -> _T | None:
        """None if the package of the version cannot be used. Raises redis.RedisError."""
        if self._clock() < self._refused.get(version, 0.0):
            return None
        try:
            return prepare()
        except redis.RedisError:
            raise
        except PackageError as error:
            self._refuse(version, str(error))
        except Exception as error:  # a package comes from outside: nothing in it may do harm
            self._refuse(version, repr(error))
        return None

    def _refuse(self, version: str, reason: str) -> None:
        now = self._clock()
        self._refused = {name: until for name, until in self._refused.items() if now < until}
        self._refused[version] = now + RETRY_SECONDS
        self._metrics.packages_refused.inc()
        _log.error("package refused, the served model stays", version=version, reason=reason)

    def _hand_over(self, prepared: ServedModel | NewRows) -> None:
        self._taken.clear()
        self._prepared = prepared
        if not self._stopping.is_set():
            self._taken.wait()
