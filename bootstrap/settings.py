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
    check_rows: int = Field(512, ge=1, description="rows on which torch and ONNX must agree")
    metrics_file: str = Field(
        "", description="Prometheus text file to write after training; none if empty"
    )
