"""Trains a model from history in the order of time, and calibrates it on predictions of its own.

In the first pass each batch is predicted before it is learnt. The predictions of the last part of
history calibrate: none of them had seen its own label, and nothing is held back from the model.
Field-aware calibration alone has that part for itself, see
:mod:`online_model.calibration.field_offsets`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from online_model.calibration.field_offsets import FieldOffsets
from online_model.calibration.methods import fit_calibration
from online_model.history import History
from online_model.network.model import Architecture, Model
from online_model.network.this_process import prepare_to_learn
from online_model.network.weight_average import WeightAverage
from online_model.quality import Quality, log_losses, quality
from online_model.settings import OnlineModelSettings
from online_model.training.learning_step import Objective, adam, pass_over
from schemas.calibration import Calibration
from schemas.features import FeatureSpec

LEAST_ROWS = 100


class HistoryError(ValueError):
    """A history that nothing can be learnt from."""


@dataclass(frozen=True, slots=True)
class Trained:
    """``validation`` is of the last part of history, ``predicted`` [its rows] before it was learnt
    and calibrated, where the package is, on what came before it."""

    model: Model
    calibration: Calibration
    validation: Quality
    predicted: NDArray[np.float64]


def train(
    spec: FeatureSpec,
    architecture: Architecture,
    history: History,
    settings: OnlineModelSettings,
    later_share: float,
    progress: Callable[[int], None] = lambda rows: None,
) -> Trained:
    """The last ``later_share`` of the rows calibrate; ``progress`` is told of the rows done.

    Raises HistoryError if there are too few rows, or no clicks, or nothing but clicks, or if a
    weight is not positive.
    """
    _require_learnable(history, later_share)
    prepare_to_learn(settings.torch_threads)
    torch.manual_seed(settings.seed)
    begin = len(history) - int(later_share * len(history))
    later, half = history.part(begin, len(history)), (len(history) - begin) // 2
    if settings.calibration == "field":
        _, model = _fitted(spec, architecture, history.part(0, begin), settings, progress)
        return _with_field_offsets(model, later, half)
    first, model = _fitted(spec, architecture, history, settings, progress)
    logits = first[begin:]
    unseen = later.part(half, len(later))
    earlier = _calibrated(later.part(0, half), logits[:half], settings)
    calibration = Calibration()
    if _is_better(earlier, unseen, logits[half:]):
        calibration = _calibrated(later, logits, settings)
    else:
        earlier = calibration
    predicted = earlier.probabilities(logits[half:])
    validation = quality(unseen.labels, predicted, unseen.weights)
    return Trained(model, calibration, validation, predicted)


def _with_field_offsets(model: Model, later: History, half: int) -> Trained:
    """The last part of history says how far off each field value is, and is not learnt itself."""
    logits = model.logits(later.samples)
    unseen = later.part(half, len(later))
    earlier = FieldOffsets.of(model.batcher.layout, later.part(0, half), logits[:half])
    predicted = earlier.calibration.probabilities(earlier.logits(unseen.samples, logits[half:]))
    validation = quality(unseen.labels, predicted, unseen.weights)
    found = FieldOffsets.of(model.batcher.layout, later, logits)
    found.put(model.table)
    return Trained(model, found.calibration, validation, predicted)


def _fitted(
    spec: FeatureSpec,
    architecture: Architecture,
    history: History,
    settings: OnlineModelSettings,
    progress: Callable[[int], None],
) -> tuple[NDArray[np.float32], Model]:
    """Logits [n] of the first pass, each from before its row was learnt, and the model."""
    chosen = settings.of(architecture)
    base_rate = float(np.average(history.labels, weights=history.weights))
    model = Model.new(spec, architecture, history.samples, base_rate, chosen)
    objective = Objective(Calibration(), "vanilla", 0.0)
    dense = adam(model, chosen)
    first = pass_over(model, history, objective, chosen, dense, progress)
    for number in range(1, chosen.passes):
        is_averaged = chosen.averaging and number == chosen.passes - 1
        average = WeightAverage(model) if is_averaged else None
        pass_over(model, history, objective, chosen, dense, progress, average)
        if average is not None:
            average.put()
    model.table.curvature.div_(chosen.passes)  # who goes on learning has seen history once
    return first, model


def _is_better(calibration: Calibration, unseen: History, logits: NDArray[np.float32]) -> bool:
    """Whether log loss is lower than without, by more than twice its standard error.

    A calibration that was fitted to the chance of a few thousand rows does more harm than good.
    """
    without, given = (
        log_losses(unseen.labels, each.probabilities(logits))
        for each in (Calibration(), calibration)
    )
    gain = unseen.weights * (without - given)
    return bool(gain.sum() > 2.0 * np.sqrt(np.square(gain).sum()))


def _calibrated(
    history: History, logits: NDArray[np.float32], settings: OnlineModelSettings
) -> Calibration:
    assert settings.calibration != "field"
    return fit_calibration(
        settings.calibration,
        logits,
        history.labels,
        settings.calibration_bin_rows,
        history.weights,
    )


def rows_to_do(rows: int, architecture: Architecture, settings: OnlineModelSettings) -> int:
    """How many rows :func:`train` will tell of, at most."""
    return settings.of(architecture).passes * rows


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
