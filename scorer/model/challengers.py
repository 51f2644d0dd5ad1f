"""Models of other arms than the main one: they rank what its retrieval finds.

Only their tables are in memory, no halves and no index of their own: a candidate is scored from
its encoded inputs, which is slower for a request and costs nothing for an ad.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import numpy as np
import redis
import structlog
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.model_package import Manifest, ModelPackage, PackageError
from scorer.metrics import ScorerMetrics
from scorer.model.deepfm import DeepFm
from scorer.model.logistic_regression import LogisticRegression
from scorer.model.package_reader import read_deepfm, read_regression
from stores.model_versions import ModelVersions

_log = structlog.get_logger(__name__)
#: A version that was refused is tried again after this long: it may have been repaired.
RETRY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Challenger:
    """One version of either architecture, as its package has it: no row deltas are followed."""

    manifest: Manifest
    model: DeepFm | LogisticRegression

    def ctrs(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Samples [n] of one request -> calibrated probabilities [n]."""
        if isinstance(self.model, LogisticRegression):
            return self.model.ctrs(samples)
        request, ads = self.model.request_half(samples[:1]), self.model.ad_halves(samples)
        logits = ads.fm_sums @ request.sums + ads.scalars + request.scalar
        logits += self.model.tower.logits(ads.hidden + request.hidden)
        return self.model.probabilities(logits)


class Challengers(threading.Thread):
    """Follows the current version of each model; a broken package is refused, the old one stays."""

    def __init__(
        self,
        models: Iterable[ModelVersions],
        encoder: Encoder,
        metrics: ScorerMetrics,
        poll_seconds: float,
    ) -> None:
        super().__init__(name="challengers", daemon=True)
        self._models = tuple(models)
        self._encoder = encoder
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._loaded: dict[str, Challenger] = {}
        self._refused: dict[str, tuple[str, float]] = {}
        self._missing: set[str] = set()

    def get(self, model: str) -> Challenger | None:
        """The version that is served, None before the first one."""
        return self._loaded.get(model)

    def stop(self) -> None:
        """End soon; join the thread afterwards."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; a fault is logged and tried again."""
        while self._models and not self._stopping.is_set():
            for versions in self._models:
                try:
                    self._follow(versions)
                except redis.RedisError as error:
                    _log.warning("cannot read a model", model=versions.model, error=str(error))
                except Exception:  # the thread must outlive any fault of a package
                    self._metrics.feeder_errors.inc()
                    _log.exception("challenger failed", model=versions.model)
            self._stopping.wait(self._poll_seconds)

    def _follow(self, versions: ModelVersions) -> None:
        name, version = versions.model, versions.current()
        loaded = self._loaded.get(name)
        if version is None and name not in self._missing:
            self._missing.add(name)
            _log.warning("an arm's model was never published, another arm stands in", model=name)
        if version is None or (loaded is not None and loaded.manifest.version == version):
            return
        refused, until = self._refused.get(name, ("", 0.0))
        if refused == version and monotonic() < until:
            return
        try:
            self._loaded[name] = self._read(versions.fetch(version))
        except PackageError as error:
            self._refused[name] = (version, monotonic() + RETRY_SECONDS)
            self._metrics.packages_refused.inc()
            _log.error("package refused", model=name, version=version, reason=str(error))
            return
        _log.info("challenger is served", model=name, version=version)

    def _read(self, package: ModelPackage) -> Challenger:
        package.require_fingerprint(self._encoder.spec.fingerprint)
        read = read_regression if package.manifest.architecture == "lr" else read_deepfm
        return Challenger(package.manifest, read(package, self._encoder))
