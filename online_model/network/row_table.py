"""The embedding table, and the sparse second-order step that touches only the rows of a batch.

Each weight has a Gaussian posterior: its precision is the prior's plus the curvature of the loss
seen so far, and a step is gradient / precision. This is the online diagonal Laplace approximation
of Bayesian logistic regression (Chapelle & Li, NIPS'11, algorithm 3), here for all table weights.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.network import row_kernels
from online_model.network.batch import Batch
from online_model.settings import OnlineModelSettings


@dataclass(frozen=True, slots=True)
class SampleGradients:
    """Of n samples: ``fields`` float32 [n, F, 1+dim] is the loss's gradient by each field.

    ``residual`` [n] is the loss's derivative by the score and ``curvature`` [n] the second one.
    """

    fields: Tensor
    residual: Tensor
    curvature: Tensor


@dataclass(frozen=True, slots=True)
class RowGradients:
    """What a batch says of the distinct rows int64 [u] that it reads, in order of first use.

    ``slopes`` float32 [u, 1+dim] are summed gradients, ``seen`` float32 [u, 2] the curvature of
    first-order weight and embedding. ``fields`` is how many each sample has.
    """

    rows: NDArray[np.int64]
    slopes: NDArray[np.float32]
    seen: NDArray[np.float32]
    fields: int


@dataclass(frozen=True, slots=True)
class RowTable:
    """``values`` float32 [rows, 1+dim]: column 0 is the first-order weight, the rest embedding.

    ``curvature`` float32 [rows, 2] is what was gathered, for the weight and (mean over the
    dimensions) for the embedding. ``sequence_field`` is where the pooled sequence stands among
    the fields, None without one; a row is pooled as a whole. ``place`` int32 [rows] is room for
    :func:`row_kernels.sum_by_row`.
    """

    values: Tensor
    curvature: Tensor
    sequence_field: int | None
    place: NDArray[np.int32]

    @classmethod
    def of(cls, values: Tensor, sequence_field: int | None) -> "RowTable":
        """A table that has gathered nothing yet."""
        place = np.full(len(values), row_kernels.FREE, np.int32)
        return cls(values, torch.zeros(len(values), 2), sequence_field, place)

    def fields(self, batch: Batch) -> Tensor:
        """[n, F, 1+dim] in the order of the layout."""
        count = batch.ids.shape[1] + (self.sequence_field is not None)
        fields = np.empty((len(batch), count, self.values.shape[1]), np.float32)
        row_kernels.read_fields(
            self.values.numpy(), batch.ids.numpy(), batch.sequence.numpy(), self._at, fields
        )
        return torch.from_numpy(fields)

    def by_row(self, batch: Batch, gradients: SampleGradients) -> RowGradients:
        """Sums of what the samples say of each row."""
        uses = batch.ids.numel() + (0 if self.sequence_field is None else batch.sequence.numel())
        rows = np.empty(uses, np.int64)
        slopes = np.empty((uses, self.values.shape[1]), np.float32)
        seen = np.empty((uses, 2), np.float32)
        distinct = row_kernels.sum_by_row(
            batch.ids.numpy(),
            batch.sequence.numpy(),
            self._at,
            gradients.fields.numpy(),
            (gradients.curvature / gradients.residual.square()).numpy(),
            self.place,
            rows,
            np.empty(uses, np.int32),
            slopes,
            seen,
        )
        fields = gradients.fields.shape[1]
        return RowGradients(rows[:distinct], slopes[:distinct], seen[:distinct], fields)

    def step(self, gradients: RowGradients, share: float, settings: OnlineModelSettings) -> None:
        """Go a share of the Newton step with some rows."""
        row_kernels.newton_step(
            self.values.numpy(),
            self.curvature.numpy(),
            gradients.rows,
            gradients.slopes,
            gradients.seen,
            share,
            settings.first_order_prior * gradients.fields,
            settings.embedding_prior * gradients.fields**2,
            settings.embedding_step_limit,
            settings.memory,
        )

    @property
    def _at(self) -> int:
        return -1 if self.sequence_field is None else self.sequence_field
