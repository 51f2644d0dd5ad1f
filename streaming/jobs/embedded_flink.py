"""One job on a Flink cluster of its own inside this process, until SIGTERM or its end."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from py4j.protocol import Py4JJavaError
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from streaming.flink_rest import FlinkRest, FlinkRestError
from streaming.readiness import require_jars
from streaming.recovery import DrainedError, newest
from streaming.savepoints import (
    JobNotFoundError,
    SavepointError,
    running_job,
    stop_with_savepoint,
)
from streaming.settings import JobName, StreamingSettings

_log = structlog.get_logger(__name__)
STOP_SECONDS = 25.0
LOGGING = Path(__file__).parent / "log4j2.properties"


class JobFailed(RuntimeError):
    """Flink gave the job up; the message is the innermost cause."""


class EmbeddedJob:
    """A job; :meth:`run` blocks. It goes on from its newest checkpoint or savepoint."""

    def __init__(
        self,
        job: JobName,
        settings: StreamingSettings,
        build: Callable[[StreamTableEnvironment], None],
        configuration: Mapping[str, str],
    ) -> None:
        self._job = job
        self._settings = settings
        self._build = build
        self._configuration = configuration

    def run(self) -> None:
        """Until the job is stopped. Raises NotReady or JobFailed."""
        settings, job = self._settings, self._job
        prepare_jvm(settings)
        try:
            environment = StreamExecutionEnvironment.get_execution_environment(self._flink())
            # Not as a setting: our own classes are needed here, too, while the graph is built.
            environment.add_jars(*(jar.as_uri() for jar in require_jars(settings.jars)))
            self._build(StreamTableEnvironment.create(environment))
            # From here on a signal means a stop with a savepoint; before, there is nothing to save.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stop_in_background())
            client = environment.execute_async(job)
            _log.info("job is submitted", job=job, id=str(client.get_job_id()))
            client.get_job_execution_result().result()
        except Py4JJavaError as error:
            raise JobFailed(f"{job}: {innermost(error)}") from None
        _log.info("job has ended", job=job)

    def _flink(self) -> Configuration:
        settings, job = self._settings, self._job
        options = {
            **_common(settings),
            "rest.port": str(settings.rest_port(job)),
            "execution.checkpointing.dir": settings.checkpoints(job).as_uri(),
            "execution.checkpointing.savepoint-dir": settings.savepoints(job).as_uri(),
            **self._configuration,
        }
        try:
            point = newest(
                settings.checkpoints(job), settings.savepoints(job), settings.drained(job)
            )
        except DrainedError as error:
            raise JobFailed(f"{job}: {error}") from None
        if point is not None:
            _log.info("job goes on", job=job, path=str(point.path))
            options["execution.state-recovery.path"] = point.path.as_uri()
            options["execution.state-recovery.claim-mode"] = point.claim_mode
        configuration = Configuration()
        for key, value in options.items():
            configuration.set_string(key, value)
        return configuration

    def _stop_in_background(self) -> None:
        threading.Thread(target=self._stop, name="stop", daemon=True).start()

    def _stop(self) -> None:
        """With a savepoint if all tasks run; a job that does not has its newest checkpoint."""
        settings, name = self._settings, self._job
        try:
            rest = FlinkRest(f"http://127.0.0.1:{settings.rest_port(name)}")
            job = running_job(rest, name)
            folder = settings.savepoints(name)
            path = stop_with_savepoint(rest, job, folder, drain=False, timeout_seconds=STOP_SECONDS)
            _log.info("job is stopped", job=name, savepoint=path)
        except (FlinkRestError, JobNotFoundError, SavepointError) as error:
            _log.warning("job ends without a savepoint", job=name, reason=str(error))
            os._exit(0)


def _common(settings: StreamingSettings) -> dict[str, str]:
    return {
        "parallelism.default": str(settings.parallelism),
        "pipeline.max-parallelism": "128",
        "pipeline.object-reuse": "true",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "taskmanager.numberOfTaskSlots": str(settings.parallelism),
        "taskmanager.memory.managed.size": f"{settings.managed_memory_mb}mb",
        "state.backend.type": settings.state_backend,
        "state.backend.rocksdb.timer-service.factory": "HEAP",
        "execution.checkpointing.interval": f"{settings.checkpoint_ms} ms",
        "execution.checkpointing.incremental": "true",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        "execution.checkpointing.num-retained": "2",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "30 s",
        "table.exec.uid.generation": "ALWAYS",
        "table.exec.source.idle-timeout": f"{settings.idle_ms} ms",
        "table.local-time-zone": "UTC",
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
    }


def prepare_jvm(settings: StreamingSettings) -> None:
    """The JVM is started by pyflink, which reads these."""
    os.environ["LOG4J_PROPERTIES"] = str(LOGGING)
    os.environ["FLINK_LOG_DIR"] = str(settings.data.absolute())
    os.environ["JVM_ARGS"] = f"-Xmx{settings.heap_mb}m {settings.jvm_options}"
    settings.data.mkdir(parents=True, exist_ok=True)
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise JobFailed("no java on the PATH: install JDK 17 (make setup does it as root)")


def innermost(error: Py4JJavaError) -> str:
    """What went wrong, without the exceptions around it."""
    cause = error.java_exception
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.toString())
