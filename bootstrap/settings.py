"""Settings of bootstrap (``CTR_BOOTSTRAP_*``)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings


class BootstrapSettings(Settings):
    """How history is split and what is kept."""

    model_config = SettingsConfigDict(env_prefix="CTR_BOOTSTRAP_", frozen=True, extra="forbid")

    later_share: float = Field(
        0.2, gt=0, lt=1, description="last share of history: it calibrates and validates"
    )
    late_click_share: float = Field(
        0.95, ge=0, le=1, description="clicks after the label wait, where history does not tell"
    )
    keep_versions: int = Field(5, ge=1, description="packages of a model that stay in Redis")
    gate_log_loss_rise: float = Field(0.01, ge=0, description="share of the live model's log loss")
    gate_auc_drop: float = Field(0.01, ge=0, description="against the live model")
    gate_pcoc_factor: float = Field(1.25, gt=1, description="PCOC in [1 / factor, factor]")
    watch_window_minutes: int = Field(
        60, ge=1, description="of label time, up to a version's last: by these it is judged"
    )
    watch_log_loss_rise: float = Field(
        0.05, ge=0, description="share of the normalised log loss of the version before"
    )
    watch_pcoc_factor: float = Field(1.5, gt=1, description="PCOC in [1 / factor, factor]")
    watch_latency_ms: float = Field(100.0, gt=0, description="most of the 99th percentile")
    watch_scorers: str = Field(
        "", description="URLs of scorers' metrics, with commas; none: latency is not watched"
    )
    check_rows: int = Field(512, ge=1, description="rows on which torch and ONNX must agree")
    metrics_file: str = Field(
        "", description="Prometheus text file to write after training; none if empty"
    )
