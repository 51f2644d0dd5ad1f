"""Settings of the stand-in ad server (``CTR_ADSERVER_*``)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings


class AdServerSettings(Settings):
    """How fast it plays, what it plays, and what its world is like. 0 or none means as described.

    Settings that only one source reads begin with the name of the source.
    """

    model_config = SettingsConfigDict(env_prefix="CTR_ADSERVER_", frozen=True, extra="forbid")

    seed: int = Field(1, ge=0, description="everything that is drawn follows from it")
    scorer: str = Field("127.0.0.1:8500", description="host:port of the scorer's gRPC API")
    scorer_timeout_seconds: float = Field(2.0, gt=0, description="deadline of one call")
    ready_timeout_seconds: float = Field(10.0, gt=0, description="how long start-up checks wait")
    concurrency: int = Field(8, ge=1, le=256, description="calls to the scorer at a time")
    requests_per_second: float = Field(75.0, ge=0, description="of the wall clock; 0: no limit")
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus port; 0: none")

    world_real_time: bool = Field(
        True, description="event time is the wall clock; if not, requests_per_second of event time"
    )
    world_seconds: float = Field(120.0, gt=0, description="how long the world goes on")
    world_users: int = Field(600, ge=1)
    world_ads: int = Field(600, ge=2)
    world_new_ads: int = Field(200, ge=0, description="ads that appear during the run")
    world_new_ad_seconds: float = Field(2.0, gt=0, description="time between two new ads")
    world_paused_share: float = Field(0.1, ge=0, le=1, description="ads paused in the first 10 min")
    world_limit: int = Field(5, ge=1, le=100, description="ads shown for one request")
    world_random_share: float = Field(
        0.1, ge=0, le=1, description="requests that show random ads, their tokens from Score"
    )
    world_drift_period_seconds: float = Field(
        1200.0, gt=0, description="interests turn by a full circle in this time"
    )
    world_click_delay_seconds: float = Field(2.0, gt=0, description="mean, exponential")

    criteo_file: Path = Field(
        Path("../shared/data/criteo/train.tsv.gz"), description="TSV, gzip if the name ends in .gz"
    )
    criteo_first_row: int = Field(20_000, ge=0, description="rows before it are history")
    criteo_rows: int = Field(40_000, ge=1, description="at most this many are played")
    criteo_row_seconds: float = Field(21.6, gt=0, description="event time from row to row")
    criteo_click_delay_seconds: float = Field(17_280.0, gt=0, description="mean, exponential")

    open_bandit_folder: Path = Field(
        Path("../shared/data/open_bandit/bts/all"),
        description="folder of item_context.csv and the log; 'obp' takes those of the package obp",
    )
    open_bandit_first_row: int = Field(0, ge=0, description="rows before it are history")
    open_bandit_rows: int = Field(10_000, ge=1, description="at most this many are played")
    open_bandit_time_scale: float = Field(
        1.0, gt=0, description="event time between rows, as a multiple of the log's"
    )
    open_bandit_click_delay_seconds: float = Field(30.0, gt=0, description="mean, exponential")
