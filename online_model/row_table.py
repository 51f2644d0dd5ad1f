"""The embedding table, and the sparse second-order step that touches only the rows of a batch.

Each weight has a Gaussian posterior: its precision is the prior's plus the curvature of the loss
seen so far, and a step is gradient / precision. This is the online diagonal Laplace approximation
of Bayesian logistic regression (Chapelle & Li, NIPS'11, algorithm 3), here for all table weights.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from online_model.batch import Batch
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
class RowTable:
    """``values`` float32 [rows, 1+dim]: column 0 is the first-order weight, the rest embedding.

    ``curvature`` float32 [rows, 2] is what was gathered, for the weight and (mean over the
    dimensions) for the embedding. ``sequence_field`` is where the pooled sequence stands among
    the fields, None without one; a row is pooled as a whole.
    """

    values: Tensor
    curvature: Tensor
    sequence_field: int | None

    def fields(self, batch: Batch) -> Tensor:
        """[n, F, 1+dim] in the order of the layout."""
        single = _gathered(self.values, batch.ids)
        at = self.sequence_field
        if at is None:
            return single
        weights = _pooling_weights(batch.sequence)
        rows = _gathered(self.values, batch.sequence.clamp(min=0))
        pooled = (rows * weights[:, :, None]).sum(dim=1, keepdim=True)
        return torch.cat([single[:, :at], pooled, single[:, at:]], dim=1)

    def step(
        self, batch: Batch, gradients: SampleGradients, share: float, settings: OnlineModelSettings
    ) -> Tensor:
        """Go a share of the Newton step with the rows that a batch reads.

        Returns these rows, int64 [u], sorted.
        """
        ids, slopes, samples = self._by_row(batch, gradients.fields)
        scale = (gradients.curvature / gradients.residual.square())[samples]
        squares = slopes.square() * scale[:, None]
        dim = slopes.shape[1] - 1
        seen = torch.stack([squares[:, 0], squares[:, 1:].sum(dim=1) / max(1, dim)], dim=1)
        rows, inverse = torch.unique(ids, return_inverse=True)
        gathered = self.curvature[rows].index_add_(0, inverse, seen).clamp_(max=settings.memory)
        self.curvature[rows] = gathered
        fields = gradients.fields.shape[1]
        prior = [settings.first_order_prior * fields, settings.embedding_prior * fields**2]
        rate = share / (torch.tensor(prior) + gathered)
        step = torch.zeros(len(rows), 1 + dim).index_add_(0, inverse, slopes)
        step[:, :1] *= rate[:, :1]
        step[:, 1:] *= rate[:, 1:]
        length = step[:, 1:].norm(dim=1, keepdim=True)
        step[:, 1:] *= (settings.embedding_step_limit / length.clamp(min=1e-12)).clamp(max=1.0)
        self.values[rows] -= step
        stepped: Tensor = rows
        return stepped

    def _by_row(self, batch: Batch, fields: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One entry for each use of a row: row [m], gradient [m, 1+dim], sample [m]."""
        at, width = self.sequence_field, fields.shape[2]
        own = fields if at is None else torch.cat([fields[:, :at], fields[:, at + 1 :]], dim=1)
        sample = torch.arange(len(batch)).repeat_interleave(batch.ids.shape[1])
        ids, slopes = batch.ids.reshape(-1), own.reshape(-1, width)
        if at is None:
            return ids, slopes, sample
        used, place = torch.nonzero(batch.sequence >= 0, as_tuple=True)
        weights = _pooling_weights(batch.sequence)[used, place]
        return (
            torch.cat([ids, batch.sequence[used, place]]),
            torch.cat([slopes, fields[used, at] * weights[:, None]]),
            torch.cat([sample, used]),
        )


def _gathered(values: Tensor, ids: Tensor) -> Tensor:
    return values.index_select(0, ids.reshape(-1)).view(*ids.shape, values.shape[1])


def _pooling_weights(sequence: Tensor) -> Tensor:
    """[n, L]: 1 / length where there is an id, 0 where there is padding."""
    used = (sequence >= 0).float()
    return used / used.sum(dim=1, keepdim=True).clamp(min=1.0)
