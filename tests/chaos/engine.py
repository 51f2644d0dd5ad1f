"""The engine under fire: Kafka, Redis and both jobs, each started again when it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import redis

from deploy.local.engine import flink_job_part
from deploy.local.kafka_broker import kafka_part
from deploy.local.part import Part, RestartPolicy
from deploy.local.part_runner import State
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import redis_part
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.stack import LocalStack
from deploy.local.state import PartState
from deploy.local.supervisor import Supervisor
from online_model.delayed_feedback import LateShare
from online_model.export import Origin, export
from online_model.model import Model
from online_model.settings import OnlineModelSettings
from schemas import redis_keys
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.settings import SharedSettings
from streaming.flink_rest import FlinkRest
from streaming.settings import JobName
from tests.chaos.history import OUT_OF_ORDER_MS, PARTITIONS, RULES, START_MS

FEATURES = "world"
#: Chaos takes its time on a busy machine.
PATIENCE_SECONDS = 900.0
POLL_SECONDS = 0.2
AGAIN_AND_AGAIN = RestartPolicy(limit=1_000, first_delay_seconds=0.2, settled_seconds=0.0)
#: Then only what is sent moves event time, not how long a part is away.
NEVER_IDLE_MS = 3_600_000
PORTS = tuple(name for name in LocalSettings.model_fields if name.endswith("_port"))
STREAM_SETTINGS = {
    "CTR_STREAMING_LABEL_WAIT_MS": str(RULES.label_wait_ms),
    "CTR_STREAMING_ATTRIBUTION_WINDOW_MS": str(RULES.attribution_window_ms),
    "CTR_STREAMING_NEGATIVE_KEEP": str(RULES.negative_keep),
    "CTR_STREAMING_OUT_OF_ORDER_MS": str(OUT_OF_ORDER_MS),
    "CTR_STREAMING_IDLE_MS": str(NEVER_IDLE_MS),
}


class Engine:
    """A context manager; nothing that it started outlives it."""

    def __init__(self, folder: Path) -> None:
        ports: dict[str, Any] = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self._local = LocalSettings(data=folder, features=FEATURES, partitions=PARTITIONS, **ports)
        self._settings = LocalStack(self._local, environment=STREAM_SETTINGS).environment()
        self.bootstrap = self._settings["CTR_KAFKA_BOOTSTRAP"]
        self.token_keys = self._settings["CTR_TOKEN_KEYS"]
        self.spec = FeatureSpec.load(FEATURES)
        self.lake = self._local.folder / "lake"
        self.redis = redis.Redis.from_url(self._settings["CTR_REDIS_URL"])
        self._rest_ports = {
            JobName.EVENTS: self._local.events_rest_port,
            JobName.LEARNING: self._local.learning_rest_port,
        }
        base = {name: text for name, text in os.environ.items() if not name.startswith("CTR_")}
        self._environment = {**base, "PYTHONUNBUFFERED": "1", **self._settings}
        self._supervisor = Supervisor(self._local.folder, environment=self._environment, cwd=ROOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.redis.close()
        self._supervisor.stop()

    def start(self) -> None:
        """All parts, with a model that knows nothing yet."""
        self._supervisor.start([self._again(part) for part in self._stores()])
        self._publish_model()
        self._supervisor.start([self._again(part) for part in self._jobs()])

    def kill(self, name: str) -> None:
        """kill -9."""
        self._supervisor.send(name, signal.SIGKILL)

    def settle(self) -> None:
        """Return when all parts run and are well."""
        self.until(lambda: all(self._is_well(part) for part in self._supervisor.parts()), "health")

    def stop_job(self, job: JobName, *, drain: bool = False) -> None:
        """With a savepoint, by the operator's command."""
        self._supervisor.let_end(job)
        command = [sys.executable, "-m", "streaming", "stop", job, "--timeout", "600"]
        done = subprocess.run(
            [*command, "--drain"] if drain else command,
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"stop {job}: {done.stdout}{done.stderr}")
        self.until(lambda: self._part(job).state is State.STOPPED, f"the end of {job}")

    def start_job(self, job: JobName) -> None:
        """Again, from its savepoint."""
        self._supervisor.restart(job)

    def restored_from(self, job: JobName) -> str:
        """What a job went on from."""
        rest = FlinkRest(f"http://{HOST}:{self._rest_ports[job]}")
        return str(rest.checkpoints(rest.jobs()[0].id).restored_path)

    def restarts(self) -> dict[str, int]:
        """How often each part was started again."""
        return {part.name: part.restarts for part in self._supervisor.parts()}

    def until(self, holds: Callable[[], bool], what: str) -> bool:
        """Wait for a condition. Raises RuntimeError if a part fails or it does not come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if self._supervisor.failure:
                raise RuntimeError(self._supervisor.failure)
            if time.monotonic() > deadline:
                raise RuntimeError(f"not in {PATIENCE_SECONDS:g} s: {what}")
            time.sleep(POLL_SECONDS)
        return True

    def _part(self, name: str) -> PartState:
        return next(part for part in self._supervisor.parts() if part.name == name)

    @staticmethod
    def _is_well(part: PartState) -> bool:
        return part.state is State.READY and part.healthy

    @staticmethod
    def _again(part: Part) -> Part:
        return replace(part, restart=AGAIN_AND_AGAIN, ready_timeout_seconds=PATIENCE_SECONDS)

    def _stores(self) -> list[Part]:
        local = self._local
        return [
            kafka_part(
                folder=local.folder / "kafka",
                jars=local.kafka_jars,
                port=local.kafka_port,
                controller_port=local.kafka_controller_port,
                heap_mb=local.kafka_heap_mb,
                partitions=local.partitions,
            ),
            redis_part(
                folder=local.folder / "redis",
                port=local.redis_port,
                maxmemory_mb=local.redis_maxmemory_mb,
            ),
        ]

    def _jobs(self) -> list[Part]:
        local = self._local
        return [
            flink_job_part(
                "events", rest_port=local.events_rest_port, metrics_port=local.events_metrics_port
            ),
            flink_job_part(
                "learning",
                rest_port=local.learning_rest_port,
                metrics_port=local.learning_metrics_port,
            ),
        ]

    def _publish_model(self) -> None:
        inputs = np.zeros(8, Layout.of(self.spec).dtype)
        inputs["sequence"] = -1
        model = Model.new(self.spec, "deepfm", inputs, 0.1, OnlineModelSettings())
        name = SharedSettings().model
        origin = Origin(name, "chaos", START_MS)
        package = export(model, Calibration(), LateShare(0.0, 0.0), origin, inputs)
        for key, value in package.writes():
            self.redis.set(key, value)
        self.redis.set(redis_keys.model_current(name), package.manifest.version)
