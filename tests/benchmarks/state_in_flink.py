"""A learner with a large table whose state Flink keeps, in a process of its own.

``python -m tests.benchmarks.state_in_flink`` with a Task on the command line: learns a made-up
batch at each tick until it is killed, and writes a line of JSON for each to ``folder``/batches.
"""

import json
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.table import StreamTableEnvironment

from online_model.network.model import Model
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import ModelPackage
from streaming.flink_options import run_options
from streaming.jobs.definitions import JobDefinition
from streaming.jobs.job_environment import build_environment, start_jvm
from streaming.jobs.learning_job import CONFIGURATION, model_state
from streaming.learning.learnt_model import LearntModel
from streaming.learning.sample_batch import KINDS, SampleBatch
from streaming.learning.torch_learners import TorchLearners
from streaming.recovery import RestorePoint
from streaming.settings import JobName, StreamingSettings
from tests.benchmarks.bench_training import FIELDS, HIDDEN, Work

CLICK_RATE = 0.1
#: Of a table that has been learning for long: rows that a value was hashed to.
SEEN = 0.63
SETTINGS = OnlineModelSettings(towers=1, hidden=HIDDEN)


@dataclass(frozen=True)
class Task:
    """``samples`` are those of a second, of which ``speed`` pass in one. ``restore`` is a
    checkpoint, or empty. Without slots: the class of a module that is run is pickled with its
    objects, and one with slots comes back without their values."""

    folder: Path
    restore: str
    rest_port: int
    rows: int
    samples: int
    speed: int
    checkpoint_ms: int

    def arguments(self) -> list[str]:
        """For the command line, which :meth:`parse` reads."""
        return [str(getattr(self, field.name)) for field in fields(self)]

    @classmethod
    def parse(cls, arguments: list[str]) -> "Task":
        """From the command line."""
        folder, restore, *numbers = arguments
        return cls(Path(folder), restore, *map(int, numbers))

    @property
    def work(self) -> Work:
        """The sizes of the training benchmark."""
        return Work(self.rows // FIELDS, self.samples, self.samples, evenly=False)


class LearnMadeUp(KeyedProcessFunction):  # type: ignore[misc]
    """Learns a batch at each element, and keeps the model as the learning job does."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._spec: FeatureSpec = task.work.spec
        self._model: LearntModel | None = None

    def open(self, runtime_context: RuntimeContext) -> None:
        """Called before the first element."""
        self._state = model_state(runtime_context)
        self._random = np.random.default_rng(time.time_ns())
        self._layout = Layout.of(self._spec)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> None:
        """One second."""
        began = time.monotonic()
        if self._model is None:
            self._model = self._begin()
            noted = self._state.noted_batches
            self._tell(began=time.monotonic() - began, noted=noted)
            return
        batch = self._batch()
        self._model.learn(batch)
        learnt = time.monotonic()
        if not self._state.note(batch):
            self._state.save(self._model)
        kept = time.monotonic()
        self._tell(
            learn=learnt - began,
            keep=kept - learnt,
            saved=self._state.noted_batches == 0,
        )

    def _begin(self) -> LearntModel:
        learners = TorchLearners(self._spec, SETTINGS)
        if not self._state.is_empty:
            return self._state.load(learners, self._layout)
        model = LearntModel(learners.from_package(package(self._spec)), self._layout)
        self._state.save(model)
        return model

    def _batch(self) -> SampleBatch:
        samples = np.zeros(self._task.samples, self._layout.dtype)
        values = self._task.work.values
        drawn = values ** self._random.random((len(samples), FIELDS)) - 1
        # Which value stands where is a hash: those that are frequent are anywhere.
        hashed = (drawn.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        ids = (hashed >> np.uint64(24)).astype(np.int64) % values
        ids += np.array(list(self._layout.offsets.values()))
        samples["request_ids"], samples["ad_ids"] = np.split(ids, 2, axis=1)
        labels = (self._random.random(len(samples)) < CLICK_RATE).astype(np.int32)
        now_ms = time.time_ns() // 1_000_000
        return SampleBatch(
            outcomes=np.where(labels, KINDS.index("POSITIVE"), KINDS.index("NEGATIVE")).astype(
                np.uint8
            ),
            inputs=np.frombuffer(samples.tobytes(), np.uint8).reshape(len(samples), -1),
            labels=labels,
            weights=np.ones(len(samples), np.float32),
            positions=np.ones(len(samples), np.int32),
            click_ts=np.full(int(labels.sum()), now_ms),
            watermark_ms=now_ms,
        )

    def _tell(self, **said: float) -> None:
        with (self._task.folder / "batches").open("a") as file:
            file.write(json.dumps({"ms": time.time_ns() // 1_000_000, **said}) + "\n")


def package(spec: FeatureSpec) -> ModelPackage:
    """Of a model that has been learning for long."""
    random = np.random.default_rng(0)
    inputs = np.zeros(8, Layout.of(spec).dtype)
    model = Model.new(spec, "deepfm", inputs, CLICK_RATE, SETTINGS)
    seen = random.random(model.shape.rows) < SEEN
    for array in (model.table.values.numpy(), model.table.curvature.numpy()):
        array[seen] = random.random((int(seen.sum()), array.shape[1]), np.float32)
    model.table.values.numpy()[:] *= 0.01
    late_clicks = LateClicks.assumed(0.1, model.shape.rows)
    return export(model, Calibration(), late_clicks, Origin("bench", "v1", 0), inputs)


def build(tables: StreamTableEnvironment, task: Task) -> None:
    """Add the operators: ticks -> learner."""
    tables.execute_sql(
        "CREATE TEMPORARY TABLE ticks (tick BIGINT) WITH ("
        f"'connector' = 'datagen', 'rows-per-second' = '{task.speed}')"
    )
    ticks = tables.to_data_stream(tables.from_path("ticks"))
    keyed = ticks.key_by(lambda _: 0, Types.INT())
    keyed.process(LearnMadeUp(task), Types.STRING()).uid("learner").set_parallelism(1)


def main() -> None:
    """See the module's text."""
    task = Task.parse(sys.argv[1:])
    settings = StreamingSettings.load(data=task.folder, checkpoint_ms=task.checkpoint_ms)
    start_jvm(settings)
    job = JobDefinition(JobName.LEARNING, lambda tables: build(tables, task), CONFIGURATION)
    point = RestorePoint(Path(task.restore), "NO_CLAIM") if task.restore else None
    options = {
        **run_options(JobName.LEARNING, settings, point),
        "execution.target": "local",
        "rest.port": str(task.rest_port),
        "rest.bind-address": "127.0.0.1",
        "web.checkpoints.history": "10000",
        "taskmanager.memory.managed.size": f"{settings.managed_memory_mb}mb",
    }
    build_environment(job, settings, options).execute("state")


if __name__ == "__main__":
    main()
