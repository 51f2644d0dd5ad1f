"""Settings of the Flink jobs and of the operator's commands (``CTR_STREAMING_*``)."""

from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings

DAY_MS = 86_400_000
CLUSTER_URL = r"^http://[\w.-]+:\d+/?$"
OPERATED_URL = r"^$|" + CLUSTER_URL


class JobName(StrEnum):
    """The jobs there are."""

    EVENTS = "events"
    LEARNING = "learning"


EVENTS_GROUP = "ctr-events"


def learner_group(model: str) -> str:
    """Kafka consumer group of the learning job; offsets are committed with its checkpoints."""
    return f"ctr-learning-{model}"


class StreamingSettings(Settings):
    """Windows, sizes, folders and ports. Times are in ms; those of events are event time."""

    model_config = SettingsConfigDict(env_prefix="CTR_STREAMING_", frozen=True, extra="forbid")

    label_wait_ms: int = Field(900_000, ge=0, description="e: without a click, then NEGATIVE")
    attribution_window_ms: int = Field(DAY_MS, ge=1, description="W: a later click counts nothing")
    negative_keep: float = Field(0.1, gt=0, le=1, description="share of NEGATIVE samples kept")
    mature: bool = Field(False, description="repeat every final label at the window's end")
    out_of_order_ms: int = Field(
        1_000, ge=0, le=999_999, description="how far a topic's events may be mixed"
    )
    ahead_seconds: int = Field(
        600, ge=0, description="a record's time may be this far after Kafka's; else it is refused"
    )
    idle_ms: int = Field(1_000, ge=1, description="a silent partition holds no label back longer")
    count_ms: int = Field(400, ge=10, le=60_000, description="engagements are counted so long")
    batch_ms: int = Field(100, ge=10, le=60_000, description="then their rows gathered for Redis")
    learning_batch_ms: int = Field(1_000, ge=10, le=60_000, description="samples, likewise")
    base_wait_seconds: float = Field(60.0, gt=0, description="learning waits for a base package")

    data: Path = Field(Path(".local/flink"), description="checkpoints and savepoints")
    lake: Path = Field(Path(".local/lake"), description="Parquet files, see schemas/lake.py")
    archive: bool = Field(False, description="keep accepted events in the lake, to replay them")
    jars: Path = Field(Path(".build/flink"), description="connectors and our Java functions")

    state_backend: Literal["rocksdb", "hashmap"] = "rocksdb"
    managed_memory_mb: int = Field(256, ge=64, description="RocksDB's caches and Python's workers")
    heap_mb: int = Field(1_024, ge=256, description="of the embedded cluster's JVM")
    jvm_options: str = Field("", description="further options of that JVM")
    parallelism: int = Field(1, ge=1, le=128)
    checkpoint_ms: int = Field(5_000, ge=100, description="from checkpoint to checkpoint")
    ready_timeout_seconds: float = Field(30.0, gt=0, description="how long start-up checks wait")

    cluster: str | None = Field(
        None,
        pattern=CLUSTER_URL,
        description="Flink's REST API of a session cluster; None: each job's own",
    )
    rest_url_events: str = Field(
        "",
        pattern=OPERATED_URL,
        description="Flink's REST API, if the Kubernetes operator runs the job; else empty",
    )
    rest_url_learning: str = Field("", pattern=OPERATED_URL, description="likewise")
    rest_port_events: int = Field(8081, ge=1, le=65535, description="Flink's REST API")
    rest_port_learning: int = Field(8082, ge=1, le=65535, description="Flink's REST API")
    metrics_port_events: int = Field(9101, ge=1, le=65535, description="Prometheus")
    metrics_port_learning: int = Field(9102, ge=1, le=65535, description="Prometheus")
    flink_metrics_port_events: int = Field(9103, ge=1, le=65535, description="Flink's own metrics")
    flink_metrics_port_learning: int = Field(9104, ge=1, le=65535, description="likewise")
    metrics_port_monitor: int = Field(9105, ge=1, le=65535, description="Prometheus")
    monitor_minutes: float = Field(
        15.0, gt=0, description="labels of so long tell calibration and drift"
    )

    @model_validator(mode="after")
    def _windows(self) -> Self:
        if self.label_wait_ms > self.attribution_window_ms:
            raise ValueError(
                f"label_wait_ms ({self.label_wait_ms}) is longer than attribution_window_ms "
                f"({self.attribution_window_ms})"
            )
        return self

    def rest_url(self, job: JobName) -> str:
        """Where Flink answers for a job: a cluster, or the one inside the job's process."""
        here = f"http://127.0.0.1:{self.rest_port(job)}"
        return self.cluster or self._operated_url(job) or here

    def is_operated(self, job: JobName) -> bool:
        """Whether the Kubernetes operator runs a job: then its resource says where savepoints go,
        and stops, starts and restores are changes of that resource."""
        return self.cluster is None and bool(self._operated_url(job))

    def _operated_url(self, job: JobName) -> str:
        return self.rest_url_events if job is JobName.EVENTS else self.rest_url_learning

    def rest_port(self, job: JobName) -> int:
        """Where Flink answers for a job."""
        return self.rest_port_events if job is JobName.EVENTS else self.rest_port_learning

    def flink_metrics_port(self, job: JobName) -> int:
        """Where Flink's own metrics of an embedded job are."""
        is_events = job is JobName.EVENTS
        return self.flink_metrics_port_events if is_events else self.flink_metrics_port_learning

    def checkpoints(self, job: JobName) -> Path:
        """Folder of a job's checkpoints."""
        return self.data.absolute() / job / "checkpoints"

    def savepoints(self, job: JobName) -> Path:
        """Folder of a job's savepoints, from the newest of which it goes on."""
        return self.data.absolute() / job / "savepoints"

    def drained(self, job: JobName) -> Path:
        """Folder of savepoints at the end of event time, from which no job must go on."""
        return self.data.absolute() / job / "drained"
