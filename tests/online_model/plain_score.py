"""The score of one sample in plain numpy: loops, float64, nothing shared with the fast version."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.network.model import Model
from schemas.crosses import cross_ids
from tests.online_model.small_log import LAYOUT, SPEC

Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[Any]]


def plain_logit(model: Model, samples: NDArray[np.void], at: int) -> float:
    """Of sample number ``at``, from its ids and numbers."""
    sample: Any = samples[at]
    table = model.table.values.numpy().astype(np.float64)
    clicked = [row for row in sample["sequence"] if row >= 0]
    pooled = np.mean([table[row] for row in clicked], axis=0) if clicked else 0.0 * table[0]
    fields = [table[row] for row in sample["request_ids"]]
    fields.append(pooled)
    fields += [table[row] for row in sample["ad_ids"]]
    numbers = np.array([*sample["request_numbers"], *sample["ad_numbers"]], np.float64)
    standardised = (numbers - model.batcher.mean) / model.batcher.std
    if model.shape.architecture == "deepfm":
        return plain_deepfm(model.dense_parameters(), fields, standardised)
    crossed = cross_ids(SPEC, LAYOUT, samples)[at]
    fields += [table[row] for row in crossed]
    return plain_regression(model.dense_parameters(), fields, standardised)


def plain_deepfm(weights: Weights, fields: list[Floats], numbers: Floats) -> float:
    """Every pair of fields by itself, the towers layer by layer."""
    score = plain_regression(weights, fields, numbers)
    for first in range(len(fields)):
        for second in range(first + 1, len(fields)):
            score += float(np.dot(fields[first][1:], fields[second][1:]))
    inputs = np.concatenate([*(field[1:] for field in fields), numbers])
    first = inputs @ weights["towers.w1"] + weights["towers.b1"]
    layers = sum(name.startswith("towers.weights.") for name in weights)
    towers = len(weights["towers.weights.0"])
    logits = []
    for tower, layer in enumerate(np.split(first, towers)):
        for number in range(layers):
            matrix = weights[f"towers.weights.{number}"][tower]
            layer = np.maximum(layer, 0.0) @ matrix + weights[f"towers.shifts.{number}"][tower, 0]
        logits.append(float(layer[0]))
    return score + sum(logits) / towers


def plain_regression(weights: Weights, fields: list[Floats], numbers: Floats) -> float:
    """Bias, first-order weights and numbers."""
    score = float(weights["bias"])
    for field in fields:
        score += float(field[0])
    for number, weight in zip(numbers, weights["number_weights"], strict=True):
        score += float(number * weight)
    return score
