"""Policies to be estimated from an arm's log: the arm without exploration, or one from a file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scorer.experiments.estimate import Doubles
from scorer.experiments.logged import Logged
from scorer.experiments.off_policy import Choices

GREEDY = "greedy"
_NEEDED = ("request_id", "ad_id", "probability")
_MODEL = ("predicted", "expected")


class TargetError(ValueError):
    """A file of a policy that cannot be used; the message names the column."""


def greedy(arm: Logged, units: Doubles) -> Choices:
    """The same arm, if it never explored; a click is worth ``units`` [n].

    A greedy choice was logged with 1 − ε or more, an explored one with ε or less: ε must be below
    a half. The reward model is the probability that was served; where another ad was shown
    instead, the greedy one's is not logged. The mean of those that were shown stands in for it,
    each as often as another one is shown in its place: so doubly robust stays unbiased.
    """
    target = (arm.propensities >= 0.5).astype(np.float64)
    predicted = arm.predicted * units
    replaced = arm.weights * target * (1.0 - arm.propensities) / arm.propensities
    total = float(replaced.sum())
    mean = float(replaced @ predicted) / total if total > 0 else 0.0
    expected = np.where(target > 0, predicted, mean)
    return Choices(
        arm.clicks * units, arm.propensities, target, arm.weights, predicted, expected, arm.users
    )


def from_file(path: Path, arm: Logged, units: Doubles) -> Choices:
    """A policy by a Parquet file: ``request_id``, ``ad_id`` and ``probability`` of that choice.

    A click is worth ``units`` [n]. Impressions that are not in the file have probability 0. With
    the columns ``predicted`` and ``expected`` (see Choices; in those units, of all impressions) it
    has a reward model. Raises TargetError.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise TargetError(f"{path}: no Parquet file of a policy: {error}") from None
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise TargetError(f"{path}: column {missing[0]} is missing, it needs {', '.join(_NEEDED)}")
    keys = zip(table["request_id"].to_pylist(), table["ad_id"].to_pylist(), strict=True)
    place = {key: row for row, key in enumerate(keys)}
    logged = zip(arm.request_ids.tolist(), arm.ad_ids.tolist(), strict=True)
    rows = np.array([place.get(key, -1) for key in logged], np.int64)

    def column(name: str) -> Doubles:
        values = table[name].to_numpy().astype(np.float64)
        return np.where(rows >= 0, values[rows], 0.0) if len(values) else np.zeros(len(rows))

    rewards, probabilities = arm.clicks * units, column("probability")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise TargetError(f"{path}: probability: expected values from 0 to 1")
    if any(name not in table.column_names for name in _MODEL):
        return Choices(rewards, arm.propensities, probabilities, arm.weights, users=arm.users)
    if (rows < 0).any():
        raise TargetError(
            f"{path}: predicted, expected: {int((rows < 0).sum())} impressions are not in the file"
        )
    return Choices(
        rewards, arm.propensities, probabilities, arm.weights,
        column("predicted"), column("expected"), arm.users,
    )  # fmt: skip
