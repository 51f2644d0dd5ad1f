"""Follows the version that should be served and prepares it aside for the feeder to swap in; or, if
its row deltas had a gap, what it lacks."""

import threading
from collections.abc import Callable
from time import monotonic

import redis
import structlog

from schemas.model_package import PackageError
from scorer.metrics import ScorerMetrics
from scorer.model.delta_stream import NewRows
from scorer.model.model_holder import DeltaPosition, ModelHolder, ServedModel
from scorer.model.model_loader import ModelLoader

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
        self._refused: tuple[str, float] = ("", 0.0)

    def stop(self) -> None:
        """End soon; join the thread afterwards."""
        self._stopping.set()
        self._wake.set()
        self._taken.set()

    def request_resync(self, position: DeltaPosition) -> None:
        """Find what the served model lacks: its row deltas do not go on after ``position``."""
        self._resync_from = position
        self._wake.set()

    def take_prepared(self) -> ServedModel | NewRows | None:
        """A model that is ready to be served or what the served one lacks, once."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._taken.set()
        return prepared

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
        if version is None or (
            served is not None and served.manifest.version == version and resync is None
        ):
            return
        if self._refused[0] == version and self._clock() < self._refused[1]:
            return
        try:
            prepared: ServedModel | NewRows
            if served is not None and resync is not None and served.manifest.version == version:
                prepared = self._loader.missed(served, resync)
            else:
                prepared = self._loader.load(version, served is not None)
        except redis.RedisError:
            raise
        except PackageError as error:
            self._refuse(version, str(error))
            return
        except Exception as error:  # a package comes from outside: nothing in it may do harm
            self._refuse(version, repr(error))
            return
        self._resync_from = None
        self._hand_over(prepared)

    def _refuse(self, version: str, reason: str) -> None:
        self._refused = (version, self._clock() + RETRY_SECONDS)
        self._metrics.packages_refused.inc()
        _log.error("package refused, the served model stays", version=version, reason=reason)

    def _hand_over(self, prepared: ServedModel | NewRows) -> None:
        self._taken.clear()
        self._prepared = prepared
        if not self._stopping.is_set():
            self._taken.wait()
