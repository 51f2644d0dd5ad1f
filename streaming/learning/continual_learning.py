"""One batch at a time: follow the base that is served, learn, publish, say so."""

import structlog

from schemas.model_package import PackageError
from streaming.learning.base_packages import BasePackages
from streaming.learning.delta_publisher import DeltaPublisher
from streaming.learning.learner import Learners
from streaming.learning.learnt_model import LearntModel
from streaming.learning.sample_batch import SampleBatch
from streaming.metrics import LearnerMetrics

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
    ) -> None:
        self.model = model
        self._learners = learners
        self._packages = packages
        self._publisher = publisher
        self._metrics = metrics
        self._unusable = ""

    def process(self, batch: SampleBatch) -> bool:
        """Learn and publish a batch; True if it was learnt on another base than the one before.

        Raises RedisUnavailableError: then this object is of no more use, start from saved state.
        """
        adopted = self._follow_current()
        if batch.is_empty and not adopted:
            return False
        with self._metrics.batch_seconds.time():
            report = self.model.learn(batch)
        delta = self._publisher.publish(self.model, report, batch.click_ts)
        for kind, count in batch.counts().items():
            self._metrics.samples.labels(kind).inc(count)
        for reason, count in batch.refused().items():
            self._metrics.refused.labels(reason).inc(count)
            _log.warning("samples were refused", reason=reason, count=count)
        self._metrics.log_loss.set(self.model.progress.log_loss)
        self._metrics.pcoc.set(self.model.progress.pcoc)
        self._metrics.delta_rows.inc(len(delta.ids))
        return adopted

    def _follow_current(self) -> bool:
        """Adopt the package that is served if it is another one than ours."""
        version = self._packages.current()
        base = self.model.learner.base_version
        if version is None or version in (base, self._unusable):
            return False
        try:
            learner = self._learners.from_package(self._packages.fetch(version))
        except PackageError as error:
            self._unusable = version
            _log.error("cannot go on from the new package, keeping the old", error=str(error))
            return False
        self.model.adopt(learner)
        _log.info("adopted a new base", version=version, before=base)
        return True
