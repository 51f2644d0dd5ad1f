"""Settings of the scorer (``CTR_SCORER_*``)."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings


class ScorerSettings(Settings):
    """Ports, sizes, time budgets and limits of one scorer process."""

    model_config = SettingsConfigDict(env_prefix="CTR_SCORER_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on, gRPC and metrics")
    port: int = Field(8500, ge=0, le=65535, description="gRPC port; 0: any free one")
    metrics_port: int = Field(8501, ge=0, le=65535, description="Prometheus port; 0: none")
    operator_token: SecretStr = Field(
        SecretStr(""), description="credential for ModelAdmin; empty: nobody may use it"
    )
    tls_certificate: Path | None = Field(
        None, description="PEM chain of the gRPC port; none: plain"
    )
    tls_key: Path | None = Field(None, description="PEM private key of tls_certificate")
    tls_client_ca: Path | None = Field(
        None, description="PEM roots: clients must show a certificate of theirs (mutual TLS)"
    )
    max_request_bytes: int = Field(
        4 << 20, ge=1_024, description="largest request; a larger one is refused unread"
    )
    max_metadata_bytes: int = Field(8 << 10, ge=1_024, description="largest metadata of a request")
    workers: int = Field(
        0,
        ge=0,
        le=1_024,
        description="processes that answer, each on a core of its own, beside one that feeds them "
        "and one copy of the ads; 0, for one core or a trial: one process does all",
    )
    threads: int = Field(3, ge=1, le=64, description="requests worked on at a time")
    max_in_flight: int = Field(
        64, ge=1, description="requests accepted at a time, queued ones included; more are refused"
    )
    overload_latency_ms: float = Field(
        1.0,
        gt=0,
        description="while more comes than can be answered: a request that would wait longer for "
        "its turn is refused at once",
    )
    drain_seconds: float = Field(
        0.5, ge=0, description="on SIGTERM: time between not ready and the last new request"
    )
    grace_seconds: float = Field(5.0, ge=0, description="time that requests have to end")

    ranking_budget_ms: float = Field(80.0, gt=0, description="for a request without a deadline")
    user_timeout_ms: float = Field(30.0, gt=0, description="for reading the user from Redis")
    retrieval_reserve_ms: float = Field(
        4.0, ge=0, description="with less time left, popular ads are answered"
    )
    tower_reserve_ms: float = Field(
        8.0, ge=0, description="with less time left, ads are answered in order of the retrieval"
    )

    candidates: int = Field(500, ge=1, le=100_000, description="ads ranked for one request")
    arms: Path | None = Field(
        None,
        description="YAML file of A/B arms, see scorer/experiments/arms.py; "
        "none: CTR_MODEL for everybody",
    )
    popular_candidates: int = Field(
        16, ge=0, le=1_000, description="most clicked ads that are ranked, found or not"
    )
    recent_candidates: int = Field(
        16, ge=0, le=1_000, description="ads that came last and are ranked, found or not"
    )
    epsilon: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="without arms: share of requests whose last slot explores a random ad",
    )
    flat_index_ads: int = Field(50_000, ge=0, description="up to here every ad is searched")
    index_probes: int = Field(128, ge=1, description="inverted lists searched beyond that")
    recall_seconds: float = Field(
        10.0,
        gt=0,
        description="how often a request is searched exactly, for recall",
    )
    index_seconds: float = Field(1.0, gt=0, description="least time between two rebuilt indexes")

    max_ads: int | None = Field(
        None,
        ge=1,
        description="ads there is room for; none: what memory_dir has room for, at most 2^24",
    )
    memory_dir: Path = Field(
        Path("/dev/shm"),
        description="memory file system of what workers share, about 1.3 kB an ad; in a container "
        "it has 64 MB unless told otherwise",
    )

    poll_seconds: float = Field(0.5, gt=0, description="how often the current version is read")
    shared_row_ads: int = Field(
        1_000, ge=1, description="a row of more ads than this is refreshed in the background"
    )

    max_limit: int = Field(1_000, ge=1, description="most ads in one answer of Rank")
    max_candidates: int = Field(1_000, ge=1, description="most candidates in one Score request")
    max_context: int = Field(64, ge=1, description="most context entries")
    max_attributes: int = Field(128, ge=1, description="most attributes of a candidate or a target")
    max_blocked: int = Field(10_000, ge=0, description="most blocked ads")
    max_id_bytes: int = Field(256, ge=1, description="longest request, user or ad id")
    max_value_bytes: int = Field(4_096, ge=1, description="longest context or attribute value")
