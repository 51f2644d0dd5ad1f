"""One step of learning on one batch: rows always, the dense part when it is given an optimiser."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.history import History
from online_model.network.batch import Batch
from online_model.network.model import Model
from online_model.network.row_table import SampleGradients
from online_model.network.weight_average import WeightAverage
from online_model.settings import Method, OnlineModelSettings
from online_model.training.delayed_feedback import loss_weights
from online_model.training.dense_adam import DenseAdam
from schemas.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Objective:
    """Weighted log loss of the *calibrated* probability.

    Its slope by the score is taken as that of log loss, (p − y): what is served has its fixed
    point at the truth, and a flat or steep piece of the calibration neither stops nor excites
    learning.
    """

    calibration: Calibration
    delayed_feedback: Method
    late_share: Tensor | float

    def probabilities(self, scores: Tensor) -> Tensor:
        """What would be served, float32 [n]."""
        return torch.from_numpy(self.calibration.probabilities(scores.numpy())).float()


def learn_batch(
    model: Model,
    batch: Batch,
    labels: Tensor,
    sample_weights: Tensor,
    objective: Objective,
    settings: OnlineModelSettings,
    dense: DenseAdam | None = None,
    before_step: Callable[[NDArray[np.int64]], None] | None = None,
) -> tuple[Tensor, NDArray[np.int64]]:
    """Returns the scores [n] from before the step and the rows [u] that it changed.

    Labels [n] are 0 or 1, sample weights [n] positive. ``before_step`` is told of rows that are
    about to change.
    """
    fields, bf16 = model.table.fields(batch), settings.tower_precision == "bf16"
    passed = model.network.passed(fields, batch.numbers, bf16)
    p = objective.probabilities(passed.scores)
    weights = sample_weights * loss_weights(
        objective.delayed_feedback, p, labels, objective.late_share
    )
    residual = weights * (p - labels)
    slopes = passed.slopes(residual, dense is not None)
    if dense is not None:
        dense.step(slopes.parameters, 1.0 / len(batch))
    gradients = SampleGradients(slopes.fields, residual, weights * p * (1.0 - p))
    share = settings.online_step if dense is None else settings.training_step
    by_row = model.table.by_row(batch, gradients)
    if before_step is not None:
        before_step(by_row.rows)
    model.table.step(by_row, share, settings)
    return passed.scores, by_row.rows


def adam(model: Model, settings: OnlineModelSettings) -> DenseAdam:
    """For the dense part."""
    return DenseAdam(model.network.parameters(), settings.dense_step, settings.dense_decay)


def pass_over(
    model: Model,
    history: History,
    objective: Objective,
    settings: OnlineModelSettings,
    dense: DenseAdam | None,
    progress: Callable[[int], None],
    average: WeightAverage | None = None,
) -> NDArray[np.float32]:
    """Predict, then learn each batch of n rows in order; returns the logits [n].

    ``progress`` is told how many rows were done, ``average`` of each step.
    """
    logits = np.empty(len(history), np.float32)
    for start in range(0, len(history), settings.batch_size):
        part = history.part(start, start + settings.batch_size)
        batch = model.batcher.batch(part.samples)
        labels, weights = torch.from_numpy(part.labels), torch.from_numpy(part.weights)
        before = None if average is None else average.before_step
        scores, _ = learn_batch(model, batch, labels, weights, objective, settings, dense, before)
        if average is not None:
            average.after_step()
        logits[start : start + len(part)] = scores.numpy()
        progress(len(part))
    return logits
