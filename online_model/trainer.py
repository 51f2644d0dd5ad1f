"""Trains a model from history in the order of time, and calibrates it on what came later.

The earlier part is passed over several times; then each batch of the later part is predicted
before it is learnt, and the calibration is fitted on these predictions. So nothing is held back
from the model, and no prediction that calibrates had seen its own label.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from online_model.calibration import fit_calibration
from online_model.history import History
from online_model.learning_step import Objective, adam, pass_over
from online_model.model import Architecture, Model
from online_model.quality import Quality, quality
from online_model.settings import OnlineModelSettings
from schemas.calibration import Calibration
from schemas.features import FeatureSpec

LEAST_ROWS = 100


class HistoryError(ValueError):
    """A history that nothing can be learnt from."""


@dataclass(frozen=True, slots=True)
class Trained:
    """``validation`` is of the last part of history, predicted before it was learnt and
    calibrated on what came before it."""

    model: Model
    calibration: Calibration
    validation: Quality


def train(
    spec: FeatureSpec,
    architecture: Architecture,
    history: History,
    settings: OnlineModelSettings,
    later_share: float,
    progress: Callable[[int], None] = lambda rows: None,
) -> Trained:
    """``later_share`` of the rows calibrate. ``progress`` is told of each batch of rows done.

    Raises HistoryError if there are too few rows, or no clicks, or nothing but clicks, or if a
    weight is not positive.
    """
    _require_learnable(history, later_share)
    torch.set_num_threads(settings.torch_threads)
    torch.manual_seed(settings.seed)
    split = len(history) - int(later_share * len(history))
    base_rate = float(np.average(history.labels, weights=history.weights))
    model = Model.new(spec, architecture, history.samples, base_rate, settings)
    objective = Objective(Calibration(), "vanilla", 0.0)
    dense = adam(model, settings)
    earlier, later = history.part(0, split), history.part(split, len(history))
    for _ in range(settings.passes):
        pass_over(model, earlier, objective, settings, dense, progress)
    logits = pass_over(model, later, objective, settings, dense, progress)
    half = len(later) // 2
    unseen = later.part(half, len(later))
    first = _calibrated(later.part(0, half), logits[:half], settings)
    return Trained(
        model=model,
        calibration=_calibrated(later, logits, settings),
        validation=quality(unseen.labels, first.probabilities(logits[half:]), unseen.weights),
    )


def _calibrated(
    history: History, logits: NDArray[np.float32], settings: OnlineModelSettings
) -> Calibration:
    return fit_calibration(
        settings.calibration,
        logits,
        history.labels,
        settings.calibration_bin_rows,
        history.weights,
    )


def rows_to_do(rows: int, later_share: float, settings: OnlineModelSettings) -> int:
    """How many rows :func:`train` will tell of."""
    later = int(later_share * rows)
    return settings.passes * (rows - later) + later


def _require_learnable(history: History, later_share: float) -> None:
    if len(history) < LEAST_ROWS:
        raise HistoryError(f"history has {len(history)} rows, {LEAST_ROWS} are the least")
    if not 0 < history.labels.sum() < len(history):
        raise HistoryError("history has no clicks or nothing else: there is nothing to learn")
    if not np.all(history.weights > 0):
        raise HistoryError("history has a sample weight that is not positive")
    if int(later_share * len(history)) < 1:
        raise HistoryError(
            f"a share of {later_share} of {len(history)} rows leaves none to calibrate"
        )
