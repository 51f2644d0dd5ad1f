"""Both real jobs on a session cluster of their own, driven by the operator's commands."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from types import TracebackType
from typing import Any, Self

import pytest

from deploy.local.flink_session import SessionCluster
from deploy.local.ports import free_ports
from deploy.local.settings import ROOT
from deploy.local.stack import QUICK_JVM
from deploy.local.supervisor import Supervisor
from schemas.features import FeatureSpec
from streaming.flink_rest import FlinkRest
from tests.streaming.jobs.expected import Rules
from tests.streaming.jobs.running_job import NEVER_IDLE_MS, RunningJob

GOLDEN = ROOT / "tests" / "golden" / "savepoints"
#: Small tables: the learner's state is a few kilobytes.
FEATURES = GOLDEN / "features.yaml"
RULES = Rules()


@contextmanager
def session_run(folder: Path) -> Iterator["SessionRun"]:
    """A run whatever the settings of the shell are."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("CTR_")]:
            environment.delenv(name)
        with SessionRun(folder) as run:
            yield run


class SessionRun(RunningJob):
    """Kafka, Redis, a JobManager and a TaskManager; jobs come by commands."""

    parts = ("kafka", "redis")
    #: Killed processes are missed by heartbeats, and started again.
    patience_seconds = 180.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RULES, NEVER_IDLE_MS, registry_url="")
        self.spec = self.journal.spec = FeatureSpec.load(str(FEATURES))
        self.folder = folder
        rest_port, rpc_port = free_ports(2)
        self.cluster = SessionCluster(
            folder / "cluster", rest_port, rpc_port, slots=3, jvm_options=QUICK_JVM
        )
        self.rest = FlinkRest(self.cluster.url)

    def __enter__(self) -> Self:
        super().__enter__()
        self._processes = Supervisor(
            self.folder / "session", environment=self.process_environment(), cwd=ROOT
        )
        self._processes.start(self.cluster.parts())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._processes.stop()
        super().__exit__(kind, error, trace)

    def process_environment(self) -> dict[str, str]:
        """For a process that works with this stack."""
        return {
            **super().process_environment(),
            "CTR_FEATURES": str(FEATURES),
            # The lock file of uids is of the jobs as they are by default.
            "CTR_STREAMING_ARCHIVE": "false",
            "CTR_STREAMING_CLUSTER": self.cluster.url,
        }

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """``python -m streaming …`` in the background."""
        return subprocess.Popen(
            [sys.executable, "-m", "streaming", *arguments],
            env=self.process_environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill_jobmanager(self) -> None:
        """kill -9; returns when another one has the TaskManager's slots."""
        self._processes.send("jobmanager", SIGKILL)
        self._processes.wait_until_ready("jobmanager", self.patience_seconds)
        self.until(lambda: self._has_slots(), "the TaskManager is back")

    def _has_slots(self) -> bool:
        (taskmanager,) = self.cluster.parts()[1:]
        return taskmanager.probe().ready


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON object of a command that must succeed."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    (line,) = out.splitlines()
    values: dict[str, Any] = json.loads(line)
    return values


def refusal(process: subprocess.Popen[str]) -> str:
    """What a command said that must fail with exit code 1, without line breaks."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 1, out + err
    return " ".join((out + err).split())
