"""Settings of the local stack (``CTR_LOCAL_*``)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


class LocalSettings(Settings):
    """Ports, folders and sizes of the local stack. All ports are on 127.0.0.1."""

    model_config = SettingsConfigDict(env_prefix="CTR_LOCAL_", frozen=True, extra="forbid")

    data: Path = Field(Path(".local"), description="data folder; relative to the project's root")
    features: str | None = Field(None, description="feature set of all parts; None: CTR_FEATURES")
    partitions: int = Field(2, ge=1, le=64, description="partitions of each topic, when created")

    kafka_port: int = Field(9092, ge=1, le=65535)
    kafka_controller_port: int = Field(9093, ge=1, le=65535)
    redis_port: int = Field(6379, ge=1, le=65535)
    scorer_port: int = Field(8500, ge=1, le=65535, description="gRPC")
    scorer_metrics_port: int = Field(8501, ge=1, le=65535, description="Prometheus")
    console_port: int = Field(8600, ge=1, le=65535, description="the operator's web page")
    events_rest_port: int = Field(8081, ge=1, le=65535, description="Flink's REST and web page")
    events_metrics_port: int = Field(9101, ge=1, le=65535, description="Prometheus")
    learning_rest_port: int = Field(8082, ge=1, le=65535, description="Flink's REST and web page")
    learning_metrics_port: int = Field(9102, ge=1, le=65535, description="Prometheus")
    monitor_metrics_port: int = Field(9105, ge=1, le=65535, description="Prometheus")
    prometheus_port: int = Field(
        9090, ge=1, le=65535, description="Prometheus itself, if installed"
    )
    prometheus_rules: Path | None = Field(None, description="folder; None: deploy/monitoring's")
    events_flink_metrics_port: int = Field(9103, ge=1, le=65535, description="Flink's own metrics")
    learning_flink_metrics_port: int = Field(9104, ge=1, le=65535, description="likewise")

    kafka_heap_mb: int = Field(512, ge=128)
    redis_maxmemory_mb: int = Field(2048, ge=16)

    @property
    def folder(self) -> Path:
        """The data folder as an absolute path."""
        return ROOT / self.data

    @property
    def kafka_jars(self) -> Path:
        """Where ``make setup`` puts the broker's jars."""
        return ROOT / ".build" / "kafka"
