"""A DeepFM and a regression over the same fields as one DeepFM, by weighting their scores.

The two err differently, so the mean of their logits errs less than either; it costs a scorer
nothing, since a weighted sum of both has the form of a DeepFM again.
"""

import math
from typing import cast

import torch

from online_model.deepfm import DeepFM
from online_model.logistic_regression import LogisticRegression
from online_model.model import Model


def blend(model: Model, regression: Model, share: float) -> None:
    """``model`` then scores (1 − share) × its own score + share × the regression's.

    The regression has the same declaration, without crosses. What the table has gathered as
    curvature stays the model's own.
    """
    network = cast(DeepFM, model.network)
    linear = cast(LogisticRegression, regression.network)
    values, kept = model.table.values, 1.0 - share
    embedded = model.shape.fields * model.shape.dim
    with torch.no_grad():
        values[:, 0].mul_(kept).add_(regression.table.values[:, 0], alpha=share)
        values[:, 1:].mul_(math.sqrt(kept))  # pairs are products of two
        network.towers.w1[:embedded].div_(math.sqrt(kept))  # the towers see what they saw
        network.towers.weights[-1].mul_(kept)
        network.towers.shifts[-1].mul_(kept)
        network.bias.mul_(kept).add_(linear.bias, alpha=share)
        network.number_weights.mul_(kept).add_(linear.number_weights, alpha=share)
