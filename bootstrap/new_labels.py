"""Labels of the topic that a package has not learnt, in batches, until few are left to come."""

import time
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice

import numpy as np

from bootstrap.known_labels import KnownLabels
from bootstrap.sample_topic import Offsets, SampleTopic
from online_model.learning.guarded_learner import GuardedLearner
from online_model.learning.learn_report import LearnReport
from online_model.learning.learner import OnlineLearner
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import ModelPackage
from schemas.records import TrainingSample

BATCH = 5000
#: A round that takes less time leaves the model that far behind at most.
CLOSE_SECONDS = 2.0


class NewLabels:
    """Those after the watermark of ``package``, in the order of time, for :meth:`batches`.

    ``offsets`` are those up to which the topic was read, ``behind_seconds`` passed since.
    """

    def __init__(self, package: ModelPackage, spec: FeatureSpec, topic: SampleTopic) -> None:
        self.offsets: dict[str, int] = {}
        self.behind_seconds = 0.0
        self._after_ms = package.manifest.watermark_ms
        self._fingerprint = spec.fingerprint
        self._layout = Layout.of(spec)
        self._topic = topic

    def batches(self) -> Iterator[list[TrainingSample]]:
        """Kafka's clock is never behind event time, so what a package lacks was written after its
        watermark. Raises TopicError."""
        known = KnownLabels()
        at = self._topic.since(self._after_ms)
        while True:
            start, end = time.monotonic(), self._topic.end()
            usable = self._usable(self._read(at, end), known)
            while batch := list(islice(usable, BATCH)):
                yield batch
            at, seconds = end, time.monotonic() - start
            if seconds < CLOSE_SECONDS:
                topic = self._topic.topic
                self.offsets = {f"{topic}-{number}": offset for number, offset in at.items()}
                self.behind_seconds = time.monotonic() - start
                return

    def learn(
        self, learner: GuardedLearner | OnlineLearner, batch: list[TrainingSample]
    ) -> LearnReport:
        """A batch as learners take it."""
        return learner.learn(
            self._layout.unpack(b"".join(sample.inputs for sample in batch)),
            np.array([sample.label for sample in batch], np.int64),
            [sample.kind for sample in batch],
            np.array([sample.sample_weight for sample in batch], np.float32),
            np.array([sample.position for sample in batch], np.int64),
        )

    def _read(self, first: Offsets, end: Offsets) -> Iterator[TrainingSample]:
        """All partitions in the order in which labels became known, as a learner meets them."""
        partitions = [
            self._topic.read({number: first.get(number, 0)}, {number: end[number]})
            for number in sorted(end)
        ]
        return merge(*partitions, key=lambda sample: sample.label_ts)

    def _usable(
        self, samples: Iterable[TrainingSample], known: KnownLabels
    ) -> Iterator[TrainingSample]:
        size = self._layout.dtype.itemsize
        for sample in samples:
            same = sample.feature_fingerprint == self._fingerprint
            if same and sample.label_ts > self._after_ms and len(sample.inputs) == size:
                new = known.new(sample)
                if new is not None:
                    yield new
