"""Settings of the console (``CTR_CONSOLE_*``)."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings

URL = r"^$|^https?://[^,\s]+$"
URLS = r"^$|^https?://[^,\s]+(,https?://[^,\s]+)*$"


class ConsoleSettings(Settings):
    """Where the console listens, whom it asks, and who may act. Lists are comma-separated."""

    model_config = SettingsConfigDict(env_prefix="CTR_CONSOLE_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8600, ge=0, le=65535, description="web page and /metrics; 0: any free one")
    hosts: str = Field(
        "127.0.0.1,localhost", description="names by which browsers may reach it; *: any"
    )
    credential: SecretStr = Field(
        SecretStr(""), description="what an operator logs in with; empty: nobody may act"
    )
    session_minutes: float = Field(60.0, gt=0, description="then an operator logs in again")
    secure_cookie: bool = Field(False, description="behind TLS: send the cookie over TLS only")

    scorer: str = Field("127.0.0.1:8500", description="host:port of a scorer's gRPC API")
    scorer_ca: Path | None = Field(None, description="PEM roots, if that API has TLS")
    scorer_cert: Path | None = Field(None, description="PEM chain of ours, if it asks for one")
    scorer_key: Path | None = Field(None, description="PEM key of scorer_cert")
    scorer_metrics: str = Field(
        "http://127.0.0.1:8501/metrics",
        pattern=URLS,
        description="of every scorer, or a name for all of them",
    )
    events_metrics: str = Field(
        "", pattern=URL, description="of the events job; empty: this machine's"
    )
    learning_metrics: str = Field(
        "", pattern=URL, description="of the learning job; empty: this machine's"
    )
    monitor_metrics: str = Field(
        "", pattern=URL, description="of the monitor; empty: this machine's"
    )
    prometheus: str = Field("", pattern=URL, description="Prometheus, for the alerts that fire")

    restore_command: str = Field(
        "python -m streaming stop JOB; python -m streaming restore JOB --from SAVEPOINT",
        description="what to type where the console cannot restore: under the Kubernetes operator, "
        "or without Flink's Python package; JOB and SAVEPOINT are replaced",
    )

    poll_seconds: float = Field(2.0, gt=0, description="between two looks at a source")
    timeout_seconds: float = Field(4.0, gt=0, description="for one answer of a source")
    history_minutes: float = Field(15.0, gt=0, description="how far charts of rates go back")
    labels_minutes: int = Field(60, ge=1, le=1440, description="labels of so long are judged")
    labels_per_look: int = Field(
        50_000, ge=100, description="of more labels than this between two looks the newest are read"
    )
