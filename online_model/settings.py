"""Settings of models and of learning (``CTR_ONLINE_MODEL_*``)."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from online_model.delayed_feedback import Method
from schemas.settings import Settings


class OnlineModelSettings(Settings):
    """Sizes, priors and steps. The defaults are the outcome of ``bootstrap backtest``."""

    model_config = SettingsConfigDict(
        env_prefix="CTR_ONLINE_MODEL_", frozen=True, extra="forbid", protected_namespaces=()
    )

    seed: int = Field(0, ge=0, description="of the first weights and of dropout")
    hidden: tuple[int, int] = Field((32, 16), description="units of the tower's layers")
    dropout: float = Field(0.0, ge=0, lt=1, description="on the tower's first layer, in training")
    batch_size: int = Field(200, ge=1, description="samples for each step")
    passes: int = Field(2, ge=1, description="over history, before the part that calibrates")
    dense_step: float = Field(3e-3, gt=0, description="Adam's, for what is not in the table")
    dense_decay: float = Field(1e-4, ge=0, description="AdamW's weight decay")
    training_step: float = Field(0.6, gt=0, le=2, description="share of a Newton step, history")
    online_step: float = Field(0.7, gt=0, le=2, description="share of a Newton step, the stream")
    first_order_prior: float = Field(
        0.85, gt=0, description="a weight's prior precision 1/σ² is this × fields"
    )
    embedding_prior: float = Field(
        0.07, gt=0, description="an embedding's prior precision 1/σ² is this × fields²"
    )
    embedding_step_limit: float = Field(
        0.1, gt=0, description="longest step of an embedding: curvature holds near by only"
    )
    memory: float = Field(
        1e6, gt=0, description="most curvature a weight gathers: less forgets sooner"
    )
    delayed_feedback: Method = "es_dfm"
    late_share_memory_clicks: float = Field(5000.0, gt=0)
    calibration: Literal["isotonic", "platt", "best"] = "isotonic"
    calibration_bin_rows: int = Field(500, ge=20, description="isotonic: rows in a bin at least")
    torch_threads: int = Field(1, ge=1)
