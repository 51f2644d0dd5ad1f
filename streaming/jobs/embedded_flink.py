"""One job on a Flink cluster of its own inside this process, until SIGTERM or its end."""

import os
import signal
import threading

import structlog

from streaming.flink_options import reporter_options, run_options
from streaming.flink_rest import FlinkRest, FlinkRestError
from streaming.jobs.definitions import JobDefinition
from streaming.jobs.job_environment import (
    build_environment,
    java_errors,
    start_jvm,
)
from streaming.recovery import RestorePoint
from streaming.savepoints import (
    JobNotFoundError,
    SavepointError,
    running_job,
    stop_with_savepoint,
)
from streaming.settings import StreamingSettings

_log = structlog.get_logger(__name__)
STOP_SECONDS = 25.0


class EmbeddedJob:
    """A job; :meth:`run` blocks. ``point`` is what it goes on from."""

    def __init__(
        self, definition: JobDefinition, settings: StreamingSettings, point: RestorePoint | None
    ) -> None:
        self._definition = definition
        self._settings = settings
        self._point = point

    def run(self) -> None:
        """Until the job is stopped. Raises NotReady or JobFailed."""
        job = self._definition.name
        start_jvm(self._settings)
        if self._point is not None:
            _log.info("job goes on", job=job, path=str(self._point.path))
        environment = build_environment(self._definition, self._settings, self._options())
        # From here on a signal means a stop with a savepoint; before, there is nothing to save.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop_in_background())
        with java_errors(job):
            client = environment.execute_async(job)
            _log.info("job is submitted", job=job, id=str(client.get_job_id()))
            client.get_job_execution_result().result()
        _log.info("job has ended", job=job)

    def _options(self) -> dict[str, str]:
        settings, job = self._settings, self._definition.name
        return {
            **run_options(job, settings, self._point),
            **reporter_options(str(settings.flink_metrics_port(job))),
            "execution.target": "local",
            "rest.port": str(settings.rest_port(job)),
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "taskmanager.numberOfTaskSlots": str(settings.parallelism),
            "taskmanager.memory.managed.size": f"{settings.managed_memory_mb}mb",
        }

    def _stop_in_background(self) -> None:
        threading.Thread(target=self._stop, name="stop", daemon=True).start()

    def _stop(self) -> None:
        """With a savepoint if all tasks run; a job that does not has its newest checkpoint."""
        settings, name = self._settings, self._definition.name
        try:
            rest = FlinkRest(f"http://127.0.0.1:{settings.rest_port(name)}")
            job = running_job(rest, name)
            folder = settings.savepoints(name)
            path = stop_with_savepoint(rest, job, folder, drain=False, timeout_seconds=STOP_SECONDS)
            _log.info("job is stopped", job=name, savepoint=path)
        except (FlinkRestError, JobNotFoundError, SavepointError) as error:
            _log.warning("job ends without a savepoint", job=name, reason=str(error))
            os._exit(0)
