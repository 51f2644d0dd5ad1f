"""A lesson through the real jobs: events in Kafka, join and learner in Flink, row deltas in Redis.

Before each thousand rows the study waits until the jobs have done all that there was, and predicts
those rows by what is served then: the base package and the deltas that were published. Event time
is that of the lesson; it passes as fast as the jobs go.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import redis
from numpy.typing import NDArray

from bootstrap.publisher import Publisher
from bootstrap.served_states import served_states
from deploy.delay_study.event_player import EventPlayer
from deploy.local.ports import free_ports
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from online_model.studies.delay_study import ROW_MS, Lesson
from schemas.features import FeatureSpec
from stores.model_versions import ModelVersions

ROWS_PER_PLAY = 1_000
#: A play is over with the jobs' next checkpoints.
CHECKPOINT_MS = 1_000
KEPT_VERSIONS = 2


class FlinkTeacher:
    """Teaches lessons one after the other, each with a stack of its own; ``seen`` has the samples
    that were learnt, and those that were refused, by lesson."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._spec = spec
        self.seen: dict[str, Counter[str]] = {}

    def __call__(self, lesson: Lesson, progress: Callable[[int], None]) -> NDArray[np.float64]:
        """Served probabilities [n - tested]. Raises StackError, PlayFailed or DeliveryError."""
        with tempfile.TemporaryDirectory() as name, self._stack(Path(name), lesson) as stack:
            environment = stack.environment()
            stack.start(["kafka", "redis", "events"])
            player = EventPlayer(environment, self._spec, lesson)
            with redis.Redis.from_url(environment["CTR_REDIS_URL"]) as client:
                run = _Run(self._spec, lesson, player, client)
                run.play_history()
                stack.start(["learning"])
                served = run.learn(progress)
                self.seen[lesson.name] = run.seen()
        return served

    @contextmanager
    def _stack(self, folder: Path, lesson: Lesson) -> Iterator[LocalStack]:
        names = [name for name in LocalSettings.model_fields if name.endswith("_port")]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        settings = LocalSettings.load(data=folder, partitions=1, **ports)
        model = lesson.package.manifest.model
        environment = {
            "CTR_FEATURES": self._spec.name,
            "CTR_MODEL": model,
            "CTR_ONLINE_MODEL_DELAYED_FEEDBACK": lesson.method,
            # What undoes the bias is the loss alone, as in the study without Flink.
            "CTR_ONLINE_MODEL_RECALIBRATION": "false",
            "CTR_STREAMING_CHECKPOINT_MS": str(CHECKPOINT_MS),
            "CTR_STREAMING_LABEL_WAIT_MS": str(max(0, lesson.short_ms)),
            "CTR_STREAMING_ATTRIBUTION_WINDOW_MS": str(lesson.window_ms),
            "CTR_STREAMING_NEGATIVE_KEEP": "1.0",
            "CTR_STREAMING_MATURE": str(lesson.mature).lower(),
            # A topic that pauses here holds event time back: days of it pass in seconds, and clicks
            # that are read a moment after their time would come after the window.
            "CTR_STREAMING_IDLE_MS": "3600000",
        }
        with LocalStack(settings, environment=environment) as stack:
            yield stack


class _Run:
    """One lesson on a stack that is up."""

    def __init__(
        self, spec: FeatureSpec, lesson: Lesson, player: EventPlayer, client: redis.Redis
    ) -> None:
        self._spec, self._lesson, self._player, self._client = spec, lesson, player, client
        self._versions = ModelVersions(client, lesson.package.manifest.model)

    def play_history(self) -> None:
        """What may still be clicked; its labels so far are the package's, not the stream's."""
        lesson, player = self._lesson, self._player
        start = max(0, lesson.first - lesson.window_ms // ROW_MS)
        player.forget_clicks_before(start)
        player.play(start, lesson.first, np.full(lesson.first - start, 0.5))
        player.settle()
        player.delete_samples()
        publisher = Publisher(self._client, lesson.package.manifest.model, KEPT_VERSIONS)
        publisher.publish(lesson.package, time.time_ns() // 1_000_000)

    def learn(self, progress: Callable[[int], None]) -> NDArray[np.float64]:
        """All rows after history; the served probabilities of those that are measured."""
        lesson = self._lesson
        parts = []
        edges = [*range(lesson.first, lesson.tested, ROWS_PER_PLAY)]
        edges += [*range(lesson.tested, len(lesson.ts_ms), ROWS_PER_PLAY), len(lesson.ts_ms)]
        for start, end in pairwise(edges):
            served = self._predicted(lesson.samples[start:end])
            self._player.play(start, end, served)
            self._player.settle(lambda: self.seen().total())
            if start >= lesson.tested:
                parts.append(served)
                progress(end - start)
        return np.concatenate(parts)

    def seen(self) -> Counter[str]:
        """Samples by kind, and what was not learnt by reason."""
        status = self._versions.learner()
        return Counter() if status is None else Counter({**status.seen, **status.refused})

    def _predicted(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """As the scorer would serve samples [n] now."""
        lesson = self._lesson
        model = lesson.package.manifest.model
        *_, state = served_states(self._client, model, lesson.package, self._spec)
        return state.probabilities(samples)
