"""The engine under fire: each of its processes is started again when it is killed.

The events job runs on a session cluster, so that its JobManager and its TaskManager die apart; the
learning job has both in its own process. What an operator does by hand is done here by the
operator's commands: after the death of a JobManager the events job is started again.
"""

import json
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

import redis

from deploy.local.engine import flink_job_part
from deploy.local.flink_session import SessionCluster
from deploy.local.kafka_broker import kafka_part
from deploy.local.part import Part, RestartPolicy
from deploy.local.part_runner import State
from deploy.local.ports import free_ports
from deploy.local.redis_server import redis_part
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.stack import QUICK_JVM, LocalStack
from deploy.local.supervisor import Supervisor
from schemas.features import FeatureSpec
from schemas.settings import SharedSettings
from schemas.topics import TRAINING_SAMPLES
from streaming.flink_rest import FlinkRest, FlinkRestError
from streaming.settings import JobName, learner_group
from tests.chaos import first_model
from tests.chaos.history import OUT_OF_ORDER_MS, PARTITIONS, RULES
from tests.chaos.outputs import unread

FEATURES = "world"
#: Chaos takes its time on a busy machine.
PATIENCE_SECONDS = 900.0
POLL_SECONDS = 0.5
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
    """A context manager; nothing that it started outlives it. Whatever waits raises RuntimeError
    when a part fails for good or patience is over."""

    def __init__(self, folder: Path) -> None:
        *ports, rpc_port = free_ports(len(PORTS) + 1)
        named: dict[str, Any] = dict(zip(PORTS, ports, strict=True))
        self._local = LocalSettings(data=folder, features=FEATURES, partitions=PARTITIONS, **named)
        settings = LocalStack(self._local, environment=STREAM_SETTINGS).environment()
        self.bootstrap = settings["CTR_KAFKA_BOOTSTRAP"]
        self.token_keys = settings["CTR_TOKEN_KEYS"]
        self.spec = FeatureSpec.load(FEATURES)
        self.lake = self._local.folder / "lake"
        self.redis = redis.Redis.from_url(settings["CTR_REDIS_URL"])
        self._cluster = SessionCluster(
            folder=self._local.folder / "cluster",
            rest_port=self._local.events_rest_port,
            rpc_port=rpc_port,
            slots=1,
            jvm_options=QUICK_JVM,
        )
        self._flink = FlinkRest(self._cluster.url)
        base = {name: text for name, text in os.environ.items() if not name.startswith("CTR_")}
        self._environment = {**base, "PYTHONUNBUFFERED": "1", **settings}
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
        """All parts and both jobs, with a model that knows nothing yet."""
        self._supervisor.start([self._again(part) for part in self._stores()])
        first_model.publish(self.redis, self.spec)
        parts = (*self._cluster.parts(), self._learning())
        self._supervisor.start([self._again(part) for part in parts])
        self.settle()

    def kill(self, part: str) -> None:
        """kill -9."""
        self._supervisor.send(part, signal.SIGKILL)

    def settle(self) -> None:
        """Return when all parts are well and all tasks of the events job run."""
        self._until(self._parts_are_well, "all parts are well")
        self._until(self._events_runs, "the events job runs")

    def stop_and_restore(self) -> str:
        """The events job, with a savepoint; returns what it went on from."""
        self._stop_events()
        return self._start_events()

    def drain_events(self) -> None:
        """End event time and the events job."""
        self._stop_events("--drain")

    def drain_learning(self) -> None:
        """End the learning job when it has read all samples."""
        group = learner_group(SharedSettings().model)
        self._until(
            lambda: not unread(self.bootstrap, TRAINING_SAMPLES, group), "all samples are read"
        )
        self._supervisor.let_end(JobName.LEARNING)
        self._operate("stop", JobName.LEARNING, "--drain")
        self._until(lambda: self._state(JobName.LEARNING) is State.STOPPED, "learning has ended")

    def restarts(self) -> dict[str, int]:
        """How often each part was started again."""
        return {part.name: part.restarts for part in self._supervisor.parts()}

    def _events_runs(self) -> bool:
        """Starts it where a JobManager has forgotten it."""
        try:
            jobs = [job for job in self._flink.jobs() if job.name == JobName.EVENTS]
            if all(job.has_ended for job in jobs):
                self._start_events()
                return True
            return any(job.is_running for job in jobs)
        except FlinkRestError:
            return False

    def _start_events(self) -> str:
        done = self._operate("start", JobName.EVENTS, "--cluster", self._cluster.url, "--json")
        return str(json.loads(done)["restored"])

    def _stop_events(self, *options: str) -> None:
        self._operate("stop", JobName.EVENTS, "--cluster", self._cluster.url, *options)

    def _operate(self, *arguments: str) -> str:
        """What an operator's command printed."""
        timeout = ("--timeout", f"{PATIENCE_SECONDS:g}")
        done = subprocess.run(
            [sys.executable, "-m", "streaming", *arguments, *timeout],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if self._supervisor.failure:
                raise RuntimeError(self._supervisor.failure)
            if time.monotonic() > deadline:
                raise RuntimeError(f"not in {PATIENCE_SECONDS:g} s: {what}")
            time.sleep(POLL_SECONDS)

    def _parts_are_well(self) -> bool:
        return all(p.state is State.READY and p.healthy for p in self._supervisor.parts())

    def _state(self, name: str) -> State:
        return next(part.state for part in self._supervisor.parts() if part.name == name)

    @staticmethod
    def _again(part: Part) -> Part:
        return replace(part, restart=AGAIN_AND_AGAIN, ready_timeout_seconds=PATIENCE_SECONDS)

    def _stores(self) -> tuple[Part, Part]:
        local = self._local
        kafka = kafka_part(
            folder=local.folder / "kafka",
            jars=local.kafka_jars,
            port=local.kafka_port,
            controller_port=local.kafka_controller_port,
            heap_mb=local.kafka_heap_mb,
            partitions=local.partitions,
        )
        store = redis_part(
            folder=local.folder / "redis",
            port=local.redis_port,
            maxmemory_mb=local.redis_maxmemory_mb,
        )
        return kafka, store

    def _learning(self) -> Part:
        local = self._local
        return flink_job_part(
            "learning",
            rest_port=local.learning_rest_port,
            metrics_port=local.learning_metrics_port,
            flink_metrics_port=local.learning_flink_metrics_port,
        )
