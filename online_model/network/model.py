"""A model: what a declaration's samples look like, the table's rows, and the dense part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.network.batch import Batch, Batcher, standardisation
from online_model.network.deepfm import DeepFM
from online_model.network.logistic_regression import LogisticRegression
from online_model.network.network import Network
from online_model.network.row_table import RowTable
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from schemas.layout import Layout

Architecture = Literal["deepfm", "lr"]
SCORING_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes that follow from a declaration: the same for training, export and scoring."""

    architecture: Architecture
    rows: int
    dim: int
    fields: int
    numbers: int

    @classmethod
    def of(cls, spec: FeatureSpec, architecture: Architecture) -> "Shape":
        """DeepFM embeds the declared fields; the regression has crosses and no embeddings."""
        layout = Layout.of(spec)
        numbers = layout.request_number_count + layout.ad_number_count
        if architecture == "deepfm":
            return cls("deepfm", layout.rows, spec.embedding_dim, layout.fields, numbers)
        rows = layout.rows + (spec.cross_buckets if spec.crosses else 0)
        return cls("lr", rows, 0, layout.fields + len(spec.crosses), numbers)


@dataclass(frozen=True, slots=True)
class Model:
    """Mutable only through what learns (row steps and a dense optimiser)."""

    shape: Shape
    batcher: Batcher
    table: RowTable
    network: Network

    @classmethod
    def new(
        cls,
        spec: FeatureSpec,
        architecture: Architecture,
        samples: NDArray[np.void],
        base_rate: float,
        settings: OnlineModelSettings,
    ) -> "Model":
        """Before training. ``samples`` give the standardisation, ``base_rate`` the bias.

        Rows begin at zero: a value that was never seen says nothing. The tower's first layer,
        which is random, lets embeddings differ.
        """
        shape = Shape.of(spec, architecture)
        mean, std = standardisation(samples)
        network = dense_part(shape, settings.towers, settings.hidden, settings.seed)
        cast(Tensor, network.bias).fill_(math.log(base_rate / (1.0 - base_rate)))
        values = torch.zeros(shape.rows, 1 + shape.dim)
        return cls.assembled(spec, shape, mean, std, values, network)

    @classmethod
    def assembled(
        cls,
        spec: FeatureSpec,
        shape: Shape,
        mean: NDArray[np.float32],
        std: NDArray[np.float32],
        values: Tensor,
        network: Network,
    ) -> "Model":
        """From its parts; no curvature has been gathered."""
        layout = Layout.of(spec)
        at = None if layout.sequence is None else len(layout.request_categoricals)
        return cls(
            shape=shape,
            batcher=Batcher(spec, layout, mean, std, crosses=shape.architecture == "lr"),
            table=RowTable.of(values, at),
            network=network,
        )

    def scores(self, batch: Batch) -> Tensor:
        """Logits [n]."""
        scores: Tensor = self.network(self.table.fields(batch), batch.numbers)
        return scores

    def logits(self, samples: NDArray[np.void]) -> NDArray[np.float32]:
        """Scores [n] of samples [n], before calibration."""
        parts = [
            self.scores(self.batcher.batch(samples[start : start + SCORING_BATCH])).numpy()
            for start in range(0, len(samples), SCORING_BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def dense_parameters(self) -> Mapping[str, NDArray[np.float32]]:
        """Copies of what is not in the table, by name."""
        return {
            name: parameter.numpy().copy() for name, parameter in self.network.named_parameters()
        }


def dense_part(shape: Shape, towers: int, hidden: tuple[int, ...], seed: int) -> Network:
    """The network of a shape, with first weights."""
    if shape.architecture == "lr":
        return LogisticRegression(shape.numbers)
    return DeepFM(shape.fields, shape.dim, shape.numbers, towers, hidden, seed)
