"""Flink's configuration of a job: what its graph needs anywhere, and how it is run and saved."""

import sys

from streaming.recovery import RestorePoint
from streaming.settings import JobName, StreamingSettings


def graph_options(settings: StreamingSettings) -> dict[str, str]:
    """What the operators themselves depend on."""
    return {
        "pipeline.object-reuse": "true",
        # The lake's committer has a maximum of 1; chained to others it would take theirs along into
        # a savepoint, from which the job could not be rescaled.
        "pipeline.operator-chaining.chain-operators-with-different-max-parallelism": "false",
        "table.exec.uid.generation": "ALWAYS",
        "table.exec.source.idle-timeout": f"{settings.idle_ms} ms",
        "table.local-time-zone": "UTC",
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
    }


#: Of TaskManagers. A batch waits for the learner in the network's buffers while the next one is
#: gathered: without room for all of it (8 MiB), nothing is gathered meanwhile.
ROOM_FOR_A_BATCH = {
    "taskmanager.network.memory.floating-buffers-per-gate": "256",
    "taskmanager.network.memory.max-buffers-per-channel": "256",
}

#: What is exported of Flink's own metrics: a job has thousands, most of them of single buffers.
EXPORTED = (
    "*:currentInputWatermark,currentOutputWatermark,watermarkLag,numRecordsIn,numRecordsOut,"
    "records-lag-max,pendingRecords,backPressuredTimeMsPerSecond,busyTimeMsPerSecond,"
    "idleTimeMsPerSecond,numRestarts,numberOfFailedCheckpoints,numberOfCompletedCheckpoints,"
    "lastCheckpointDuration,lastCheckpointSize,runningTime,Used,Committed,Max,Time,Count"
)


def reporter_options(ports: str) -> dict[str, str]:
    """Flink's own metrics for Prometheus, each process of Flink on the first free of ``ports``."""
    return {
        "metrics.reporters": "prometheus",
        "metrics.reporter.prometheus.factory.class": (
            "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"
        ),
        "metrics.reporter.prometheus.port": ports,
        "metrics.reporter.prometheus.filter.includes": EXPORTED,
    }


def run_options(
    job: JobName, settings: StreamingSettings, point: RestorePoint | None
) -> dict[str, str]:
    """Parallelism, state, checkpoints, restarts, and ``point`` to go on from. Under the Kubernetes
    operator its resource says all this, see deploy/k8s."""
    options = {
        "parallelism.default": str(settings.parallelism),
        "pipeline.max-parallelism": "128",
        "state.backend.type": settings.state_backend,
        "state.backend.rocksdb.timer-service.factory": "HEAP",
        # Most reads are of new impressions, which no file has.
        "state.backend.rocksdb.use-bloom-filter": "true",
        "execution.checkpointing.dir": settings.checkpoints(job).as_uri(),
        "execution.checkpointing.savepoint-dir": settings.savepoints(job).as_uri(),
        "execution.checkpointing.interval": f"{settings.checkpoint_ms} ms",
        "execution.checkpointing.incremental": "true",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        "execution.checkpointing.num-retained": "2",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "30 s",
    }
    if point is not None:
        options["execution.state-recovery.path"] = point.path.as_uri()
        options["execution.state-recovery.claim-mode"] = point.claim_mode
    return options
