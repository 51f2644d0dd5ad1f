"""Settings of models and of learning (``CTR_ONLINE_MODEL_*``)."""

import math
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from schemas.settings import Settings

#: How late clicks are made up for, see training/delayed_feedback.py.
Method = Literal["es_dfm", "fnw", "defer", "wait", "vanilla"]


class OnlineModelSettings(Settings):
    """Sizes, priors and steps. The defaults are the outcome of ``bootstrap study``."""

    model_config = SettingsConfigDict(
        env_prefix="CTR_ONLINE_MODEL_", frozen=True, extra="forbid", protected_namespaces=()
    )

    seed: int = Field(0, ge=0, lt=2**62, description="of the first weights")
    towers: int = Field(1, ge=1, description="over the same embeddings, averaged in the logit")
    hidden: tuple[int, ...] = Field(
        (64, 32), min_length=1, max_length=9, description="units of their layers"
    )
    tower_precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="of the products in the towers while learning; sums are float32"
    )
    batch_size: int = Field(200, ge=1, description="samples for each step")
    passes: int = Field(3, ge=1, description="over history; more and embeddings learn it by heart")
    averaging: bool = Field(
        True, description="a DeepFM has the mean of its weights in the last of several passes"
    )
    retrain_passes: int = Field(
        2, ge=1, description="a DeepFM's over the lake, where the mean of the weights is not taken"
    )
    retrain_batch_size: int = Field(
        400, ge=1, description="a DeepFM's over the lake: without the mean, steps must err less"
    )
    dense_step: float = Field(3e-3, gt=0, description="Adam's, for what is not in the table")
    dense_decay: float = Field(1e-4, ge=0, description="AdamW's weight decay")
    training_step: float = Field(0.8, gt=0, le=2, description="share of a Newton step, history")
    regression_passes: int = Field(8, ge=1, description="the regression's, which has no embeddings")
    regression_step: float = Field(0.2, gt=0, le=2, description="the regression's share of a step")
    online_step: float = Field(0.7, gt=0, le=2, description="share of a Newton step, the stream")
    first_order_prior: float = Field(
        2.0, gt=0, description="a weight's prior precision 1/σ² is this × fields"
    )
    online_prior: float = Field(
        0.85, gt=0, description="the same for the stream: there a weight has to follow"
    )
    regression_prior: float = Field(0.85, gt=0, description="the same for the regression")
    embedding_prior: float = Field(
        0.15, gt=0, description="an embedding's prior precision 1/σ² is this × fields²"
    )
    embedding_step_limit: float = Field(
        0.1, gt=0, description="longest step of an embedding: curvature holds near by only"
    )
    memory: float = Field(
        1e6, gt=0, description="most curvature a weight gathers: less forgets sooner"
    )
    delayed_feedback: Method = Field("es_dfm", description="how late clicks are made up for")
    late_share_memory_clicks: float = Field(
        5000.0, gt=0, description="most clicks the share of late ones is known from"
    )
    recalibration: bool = Field(True, description="the stream's base rate shifts what is served")
    calibration: Literal["isotonic", "platt", "best", "field"] = Field(
        "isotonic", description="field: an offset for each value of each field, in its weight"
    )
    calibration_bin_rows: int = Field(500, ge=20, description="isotonic: rows in a bin at least")
    torch_threads: int = Field(1, ge=1, description="of the dense part's products")

    def online(self) -> "OnlineModelSettings":
        """These, with the prior of learning from the stream."""
        return self.model_copy(update={"first_order_prior": self.online_prior})

    def of(self, architecture: str) -> "OnlineModelSettings":
        """These, with the passes, the step and the prior of an architecture."""
        if architecture != "lr":
            return self
        return self.model_copy(
            update={
                "passes": self.regression_passes,
                "training_step": self.regression_step,
                "averaging": False,
                "first_order_prior": self.regression_prior,
            }
        )

    def for_one_of(self, processes: int) -> "OnlineModelSettings":
        """These, for one of several that learn one model at once: their batches are one together,
        and Adam's step goes with the square root of the batch (Malladi et al., NeurIPS'22)."""
        size = max(1, self.batch_size // processes)
        rate = self.dense_step * math.sqrt(size / self.batch_size)
        return self.model_copy(update={"batch_size": size, "dense_step": rate})

    def over_the_lake(self, architecture: str) -> "OnlineModelSettings":
        """These, for a retrain of an architecture."""
        if architecture == "lr":
            return self.of(architecture)
        chosen = {"passes": self.retrain_passes, "batch_size": self.retrain_batch_size}
        return self.model_copy(update={**chosen, "averaging": False})
