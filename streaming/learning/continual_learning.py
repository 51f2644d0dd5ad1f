"""One batch at a time: follow the base that is served, learn, begin to publish, say so."""

import time
from collections.abc import Callable

import structlog

from online_model.learning.quality_drift import QualityDrift
from schemas.model_package import PackageError
from streaming.freshness import observe_since
from streaming.learning.base_packages import BasePackages
from streaming.learning.delta_publisher import DeltaPublisher
from streaming.learning.learner import Learners, LearnReport
from streaming.learning.learnt_model import WITHHELD, LearntModel
from streaming.learning.sample_batch import SampleBatch
from streaming.metrics import LearnerMetrics

#: As scorers do: what could not be read may have been missing for a moment.
RETRY_SECONDS = 10.0
_log = structlog.get_logger(__name__)


class ContinualLearning:
    """Keeps ``model`` learning and Redis up to date with it."""

    def __init__(
        self,
        model: LearntModel,
        learners: Learners,
        packages: BasePackages,
        publisher: DeltaPublisher,
        metrics: LearnerMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self._learners = learners
        self._packages = packages
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._unusable, self._retry_at = "", 0.0
        self._drift = QualityDrift()
        self._told_withholding = False

    def adopt_current(self) -> bool:
        """Go on from the package that is served if it is another one than ours; True if so.

        Raises RedisUnavailableError, like :meth:`learn`.
        """
        self._publisher.look()
        version = self._packages.current()
        base = self.model.learner.base_version
        if version in (None, base):
            return False
        is_known = version == self._unusable
        if is_known and self._clock() < self._retry_at:
            return False
        try:
            package = self._packages.fetch(version)
            learner = self._learners.after(self.model.learner, package)
        except PackageError as error:
            self._unusable, self._retry_at = version, self._clock() + RETRY_SECONDS
            if not is_known:
                _log.error("cannot go on from the new package, keeping the old", error=str(error))
            return False
        missed = self.model.adopt(learner, package.manifest.watermark_ms)
        _log.info("adopted a new base", version=version, before=base, relearnt_batches=missed)
        return True

    def close(self) -> None:
        """Until all that was learnt is published. Raises RedisUnavailableError."""
        self._publisher.wait()

    def learn(self, batch: SampleBatch) -> None:
        """Learn and publish a batch; after another base was adopted, also one without samples.

        Raises RedisUnavailableError: then this object is of no more use, start from saved state.
        """
        observe_since(self._metrics.click_to_gradient_seconds, batch.click_ts)
        with self._metrics.batch_seconds.time():
            report = self.model.learn(batch)
        self._look_for_drift(report)
        seconds = self._metrics.click_to_delta_seconds
        delta = self._publisher.publish(
            self.model, report, batch.click_ts, lambda: observe_since(seconds, batch.click_ts)
        )
        refused = batch.refused()
        if report.withheld:
            refused[WITHHELD] = len(batch.labels)
        else:
            for kind, count in batch.counts().items():
                self._metrics.samples.labels(kind).inc(count)
        for reason, count in refused.items():
            if not count:  # a tick without samples, on which a base was adopted
                continue
            self._metrics.refused.labels(reason).inc(count)
            _log.warning("samples were refused", reason=reason, count=count)
        self._tell_withholding()
        self._metrics.log_loss.set(self.model.progress.log_loss)
        self._metrics.pcoc.set(self.model.progress.pcoc)
        self._metrics.auc.set(self.model.progress.auc)
        self._metrics.delta_rows.inc(len(delta.ids))

    def _look_for_drift(self, report: LearnReport) -> None:
        first = report.first
        found = self._drift.update(
            report.labels[first], report.predicted[first], report.weights[first]
        )
        for drift in found:
            self.model.drift_ms[drift.of] = self.model.watermark_ms
            self._metrics.drift.labels(drift.of).inc()
            _log.warning("drift", of=drift.of, before=drift.before, after=drift.after)

    def _tell_withholding(self) -> None:
        since = self.model.withheld_since_ms
        self._metrics.withheld.set(bool(since))
        if since and not self._told_withholding:
            _log.error(
                "labels contradict the model, it is as it was before them and learns nothing until "
                "they agree: see LabelsContradictModel in deploy/runbook.md",
                since_ms=since,
            )
        elif not since and self._told_withholding:
            _log.info("labels agree with the model again, learning goes on")
        self._told_withholding = bool(since)
