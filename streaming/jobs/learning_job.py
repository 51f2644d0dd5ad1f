"""The learning job: training samples -> repeats dropped -> a batch a second -> learner -> Redis.

Operators in order: training_samples (Kafka source), balanced-labels (Java), with ticks from a
generator: labels → sample-batches (Java) → learner (Python, one key). The model is in the learner's
keyed state, saved with Kafka's offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import REGISTRY
from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ListStateDescriptor, ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from schemas import log_lines
from schemas.addresses import KafkaAddress, RedisAddress
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.topics import TRAINING_SAMPLES
from streaming.jobs.internal_rows import internal_rows, name_stream
from streaming.jobs.statements import folder_option, kafka_options, seconds, statement
from streaming.learning.base_packages import BasePackages
from streaming.learning.continual_learning import ContinualLearning
from streaming.learning.delta_publisher import DeltaPublisher
from streaming.learning.learner import Learners
from streaming.learning.learnt_model import LearntModel
from streaming.learning.sample_batch import SampleBatch
from streaming.learning.state_log import StateLog
from streaming.metrics import learner_metrics, serve_metrics
from streaming.redis_sink.pipeline import RedisPipeline
from streaming.settings import JobName, learner_group

_log = structlog.get_logger(__name__)

_sql = partial(statement, JobName.LEARNING)

LEARNER_UID = "learner"
#: Of the job's Flink configuration, what this job needs besides the common part.
CONFIGURATION = {
    # A row is a second's batch: learn it when it comes.
    "python.fn-execution.bundle.size": "1",
    # The state is read once, at the start; a cache of it would hold the model twice.
    "python.state.cache-size": "0",
    # Positives and late clicks are let through as often as event time moves on: in small lots.
    "pipeline.auto-watermark-interval": "50 ms",
    # How long a repeated sample is known, of processing time: well over any replay after a crash.
    "table.exec.state.ttl": "6 h",
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
    tables.execute_sql(_sql("read_samples"))
    samples = internal_rows(tables, "read_samples")
    name_stream(tables, "training_samples", samples.stream, event_time)
    tables.execute_sql("CREATE TEMPORARY FUNCTION BalancedLabels AS 'ctr.BalancedLabels'")
    tables.execute_sql(_sql("ticks"))
    tables.execute_sql(_sql("identified_samples", fingerprint=options.spec.fingerprint))
    balanced = tables.sql_query(_sql("balanced_labels", label_wait_ms=options.label_wait_ms))
    # CREATE VIEW does not parse a call with two partition columns back (Flink 2.3.0).
    tables.create_temporary_view("balanced_labels", balanced)
    tables.execute_sql(_sql("labels"))
    labels = internal_rows(tables, "labels")
    java = get_gateway().jvm.ctr
    batches = java.SampleBatches.of(labels.stream, labels.columns, options.batch_ms)
    learn(DataStream(batches), options, learners)


def learn(batches: DataStream, options: LearningJobOptions, learners: Learners) -> DataStream:
    """Rows of SampleBatches.java -> nothing but effects; one key, so parallelism 1."""
    keyed = batches.key_by(lambda _: 0, Types.INT())
    return (
        keyed.process(LearnSamples(options, learners), Types.STRING())
        .uid(LEARNER_UID)
        .name(LEARNER_UID)
        .set_parallelism(1)
    )


class LearnSamples(KeyedProcessFunction):  # type: ignore[misc]
    """Learns each batch. In its state are a snapshot of the model and the batches since."""

    def __init__(self, options: LearningJobOptions, learners: Learners) -> None:
        self._options = options
        self._learners = learners
        self._learning: ContinualLearning | None = None

    def open(self, runtime_context: RuntimeContext) -> None:
        """Called before the first element."""
        pickled = Types.PICKLED_BYTE_ARRAY()
        self._snapshot = runtime_context.get_state(ValueStateDescriptor("snapshot", pickled))
        self._batches = runtime_context.get_list_state(ListStateDescriptor("batches", pickled))
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
            self._learning = self._resume()
        has_new_base = self._learning.process(batch)
        if batch.is_empty and not has_new_base:
            return
        data = batch.to_bytes()
        if self._log.add(len(data)) or has_new_base:
            self._save(self._learning.model)
        else:
            self._batches.add(data)

    def _has_base(self) -> bool:
        """Whether there is anything to start from: without samples there is no hurry."""
        return self._snapshot.value() is not None or self._packages.current() is not None

    def _resume(self) -> ContinualLearning:
        """From the state, or from the base package that is served when there is none."""
        options = self._options
        snapshot: bytes | None = self._snapshot.value()
        if snapshot is None:
            base = self._packages.wait(options.base_wait_seconds)
            model = LearntModel(self._learners.from_package(base), self._layout)
            self._save(model)
        else:
            model = self._restored(snapshot)
        _log.info(
            JobName.LEARNING,
            base=model.learner.base_version,
            seen=dict(model.seen),
            relearnt_batches=self._log.batches,
        )
        return ContinualLearning(
            model,
            self._learners,
            self._packages,
            DeltaPublisher(self._pipeline, options.model),
            learner_metrics(REGISTRY),
        )

    def _restored(self, snapshot: bytes) -> LearntModel:
        model = LearntModel.load(snapshot, self._learners, self._layout)
        self._log = StateLog(len(snapshot))
        for data in self._batches.get() or ():
            model.learn(SampleBatch.from_bytes(data))
            self._log.add(len(data))
        return model

    def _save(self, model: LearntModel) -> None:
        snapshot = model.dump()
        self._snapshot.update(snapshot)
        self._batches.clear()
        self._log = StateLog(len(snapshot))
