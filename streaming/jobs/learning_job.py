"""The learning job: training samples -> repeats dropped -> a batch a second -> learner -> Redis.

Operators in order: training_samples (Kafka source), balanced-labels (Java), with ticks from a
generator → sample-batches (Java) → learner (Python, one key). The model is in the learner's keyed
state, saved with Kafka's offsets. Three stages go on at the same time: batches are gathered, learnt
and published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import REGISTRY
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, KeyedStream, RuntimeContext
from pyflink.datastream.state import (
    ListStateDescriptor,
    MapStateDescriptor,
    ValueStateDescriptor,
)
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from online_model.learning.row_store import Pieces, RowStore
from schemas import log_lines
from schemas.addresses import KafkaAddress, RedisAddress
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.topics import TRAINING_SAMPLES
from streaming.flink_options import ROOM_FOR_A_BATCH
from streaming.jobs.internal_rows import internal_rows
from streaming.jobs.statements import folder_option, kafka_options, seconds, statement
from streaming.learning.background_learning import BackgroundLearning
from streaming.learning.base_packages import BasePackages
from streaming.learning.continual_learning import ContinualLearning
from streaming.learning.delta_publisher import DeltaPublisher
from streaming.learning.learner import Learners
from streaming.learning.learnt_model import LearntModel
from streaming.learning.model_state import ModelState, States
from streaming.learning.sample_batch import SampleBatch
from streaming.metrics import learner_metrics, serve_metrics
from streaming.redis_sink.pipeline import RedisPipeline
from streaming.settings import JobName, learner_group

_log = structlog.get_logger(__name__)

_sql = partial(statement, JobName.LEARNING)

LEARNER_UID = "learner"
#: How long a repeated sample is known, of processing time: well over any replay after a crash.
REMEMBERED_MS = 6 * 3_600_000
#: Of the job's Flink configuration, what this job needs besides the common part.
CONFIGURATION = {
    # A row is a second's batch: learn it when it comes.
    "python.fn-execution.bundle.size": "1",
    # The state is read once, at the start; a cache of it would hold the model twice.
    "python.state.cache-size": "0",
    # A piece of rows goes to the state when it is written: all together would be the model again.
    "python.map-state.write-cache-size": "1",
    # Where the job has a Flink of its own; a cluster has its own configuration.
    **ROOM_FOR_A_BATCH,
    # Positives and late clicks are let through as often as event time moves on: in small lots.
    "pipeline.auto-watermark-interval": "50 ms",
}


@dataclass(frozen=True, slots=True)
class LearningJobOptions:
    """``label_wait_ms`` is that of the events job, ``batch_ms`` is how long samples are gathered. A
    base package is waited for in spells of ``base_wait_seconds``, after which Flink starts the job
    again."""

    kafka: KafkaAddress | str
    redis: RedisAddress | str
    model: str
    spec: FeatureSpec
    metrics_port: int
    label_wait_ms: int
    out_of_order_ms: int
    log_level: str = "INFO"
    batch_ms: int = 1000
    base_wait_seconds: float = 60.0
    schema_folder: Path | None = None


def build(tables: StreamTableEnvironment, options: LearningJobOptions, learners: Learners) -> None:
    """Add the job's operators to the environment; the caller executes it."""
    event_time = _sql("event_time", label_wait_ms=options.label_wait_ms)
    tables.execute_sql(
        _sql(
            "samples",
            topic=TRAINING_SAMPLES.name,
            kafka=kafka_options(options.kafka),
            group=learner_group(options.model),
            event_time=event_time,
            out_of_order_seconds=seconds(options.out_of_order_ms),
            schema_folder=folder_option(options.schema_folder),
        )
    )
    tables.execute_sql(_sql("read_samples", fingerprint=options.spec.fingerprint))
    tables.execute_sql(_sql("ticks"))
    tables.execute_sql(_sql("tick_labels"))
    samples = internal_rows(tables, "read_samples")
    ticks = internal_rows(tables, "tick_labels")
    java = get_gateway().jvm.ctr
    labels = java.BalancedLabels.of(
        samples.stream, samples.columns, ticks.stream, options.label_wait_ms, REMEMBERED_MS
    )
    batches = java.SampleBatches.of(labels, options.batch_ms)
    # One key, so parallelism 1.
    KeyedStream(batches, None, None).process(LearnSamples(options, learners), Types.STRING()).uid(
        LEARNER_UID
    ).name(LEARNER_UID).set_parallelism(1)


class LearnSamples(KeyedProcessFunction):  # type: ignore[misc]
    """Learns each batch. In its state are the model as last saved and the batches since."""

    def __init__(self, options: LearningJobOptions, learners: Learners) -> None:
        self._options = options
        self._learners = learners
        self._learning: BackgroundLearning | None = None

    def open(self, runtime_context: RuntimeContext) -> None:
        """Called before the first element."""
        self._state = model_state(runtime_context)
        options = self._options
        log_lines.configure(options.log_level)
        self._layout = Layout.of(options.spec)
        self._pipeline = RedisPipeline(options.redis)
        self._packages = BasePackages(self._pipeline, options.model, options.spec.fingerprint)
        serve_metrics(options.metrics_port, REGISTRY)

    def process_element(self, value: Sequence[Any], ctx: KeyedProcessFunction.Context) -> None:
        """One row of SampleBatches.java: the columns of SampleBatch.of, in its order."""
        batch = SampleBatch.of(self._layout, *value)
        if self._learning is None:
            if batch.is_empty and not self._has_base():
                return
            self._learning = BackgroundLearning(self._resume(), self._state)
        self._learning.process(batch)

    def close(self) -> None:
        """Called after the last element."""
        if self._learning is not None:
            self._learning.close()

    def _has_base(self) -> bool:
        """Whether there is anything to start from: without samples there is no hurry."""
        return not self._state.is_empty or self._packages.current() is not None

    def _resume(self) -> ContinualLearning:
        """From the state, or from the base package that is served when there is none."""
        options = self._options
        if self._state.is_empty:
            base = self._packages.wait(options.base_wait_seconds)
            model = LearntModel(self._learners.from_package(base), self._layout)
            self._state.save(model)
        else:
            model = self._state.load(self._learners, self._layout)
        _log.info(
            JobName.LEARNING,
            base=model.learner.base_version,
            seen=dict(model.seen),
            relearnt_batches=self._state.noted_batches,
        )
        return ContinualLearning(
            model,
            self._learners,
            self._packages,
            DeltaPublisher(self._pipeline, options.model),
            learner_metrics(REGISTRY),
        )


def model_state(runtime_context: RuntimeContext) -> ModelState:
    """The learner's keyed states, whose names are in savepoints."""
    pickled = Types.PICKLED_BYTE_ARRAY()

    def pieces(name: str) -> Pieces:
        state: Pieces = runtime_context.get_map_state(
            MapStateDescriptor(name, Types.INT(), pickled)
        )
        return state

    return ModelState(
        States(
            snapshot=runtime_context.get_state(ValueStateDescriptor("snapshot", pickled)),
            rows=RowStore(pieces("blocks"), pieces("changes")),
            log=pieces("log"),
            batches=runtime_context.get_list_state(ListStateDescriptor("batches", pickled)),
        )
    )
