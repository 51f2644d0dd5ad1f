"""A standalone Flink session cluster from the Python package: a JobManager and a TaskManager.

Each is one process of its own, so that either can be killed; the TaskManager's group also holds
its Python workers. There is no high availability: a JobManager that died has forgotten its jobs,
and ``python -m streaming start JOB --cluster URL`` goes on from their newest checkpoint.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from deploy.local.part import Part, Port, RestartPolicy, StackError
from deploy.local.ports import HOST
from deploy.local.probes import jobmanager_probe, taskmanager_probe
from streaming.flink_options import ROOM_FOR_A_BATCH, reporter_options

_LOGGING = files("streaming") / "jobs" / "log4j2.properties"
#: Of Flink's own metrics for Prometheus: each process takes the first that is free.
METRICS_PORTS = "9250-9299"
_FIVE_TIMES = RestartPolicy(limit=5)


@dataclass(frozen=True, slots=True)
class SessionCluster:
    """What the cluster is given; ``managed_mb`` of a TaskManager's memory is for RocksDB and the
    Python workers. A job needs as many slots as its parallelism."""

    folder: Path
    rest_port: int
    rpc_port: int
    slots: int
    taskmanager_mb: int = 2_048
    managed_mb: int = 512
    jvm_options: str = ""

    @property
    def url(self) -> str:
        """Of the REST API, for ``--cluster``."""
        return f"http://{HOST}:{self.rest_port}"

    def parts(self) -> tuple[Part, Part]:
        """``jobmanager`` and ``taskmanager``, which are started again when they die."""
        jobmanager = Part(
            name="jobmanager",
            command=self._command("jobmanager.sh"),
            probe=jobmanager_probe(self.rest_port),
            ports=(Port(self.rest_port, "rest_port"), Port(self.rpc_port, "rpc_port")),
            restart=_FIVE_TIMES,
            ready_timeout_seconds=180,
            prepare=self._prepare,
        )
        taskmanager = Part(
            name="taskmanager",
            command=self._command("taskmanager.sh"),
            probe=taskmanager_probe(self.rest_port),
            restart=_FIVE_TIMES,
            ready_timeout_seconds=180,
        )
        return jobmanager, taskmanager

    def _command(self, script: str) -> tuple[str, ...]:
        """In the foreground the script becomes the JVM, so that its process id is the JVM's."""
        environment = {
            "FLINK_CONF_DIR": self.folder / "conf",
            "FLINK_LOG_DIR": self.folder / "logs",
            "FLINK_PID_DIR": self.folder / "pids",
        }
        variables = [f"{name}={value}" for name, value in environment.items()]
        return ("env", *variables, "bash", str(_flink_home() / "bin" / script), "start-foreground")

    def _prepare(self) -> None:
        for name in ("conf", "logs", "pids", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        configuration = yaml.safe_dump(dict(self._configuration()), width=10_000)
        (self.folder / "conf" / "config.yaml").write_text(configuration)
        (self.folder / "conf" / "log4j-console.properties").write_text(_LOGGING.read_text())

    def _configuration(self) -> Mapping[str, str | int]:
        return {
            **reporter_options(METRICS_PORTS),
            **ROOM_FOR_A_BATCH,
            "jobmanager.rpc.address": HOST,
            "jobmanager.rpc.port": self.rpc_port,
            "jobmanager.bind-host": HOST,
            "jobmanager.memory.process.size": "1024m",
            "rest.address": HOST,
            "rest.bind-address": HOST,
            "rest.port": self.rest_port,
            "taskmanager.host": HOST,
            "taskmanager.bind-host": HOST,
            "taskmanager.numberOfTaskSlots": self.slots,
            "taskmanager.memory.process.size": f"{self.taskmanager_mb}m",
            "taskmanager.memory.managed.size": f"{self.managed_mb}m",
            # A process that was killed is seen in seconds.
            "heartbeat.interval": "1 s",
            "heartbeat.timeout": "10 s",
            "io.tmp.dirs": str(self.folder / "tmp"),
            "env.java.opts.all": self.jvm_options,
        }


def _flink_home() -> Path:
    package = importlib.util.find_spec("pyflink")
    if package is None or package.origin is None:
        raise StackError("no apache-flink among the Python packages: run `make setup`")
    return Path(package.origin).parent
