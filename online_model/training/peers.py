"""Training by several processes at once: what each has learnt is put together now and then.

Every weight of the table has a Gaussian posterior (see row_table), so what two processes learnt
from different rows is joined as evidence is: precisions add up, and means are weighted with them
(the product of posteriors over one prior, as in Bui et al., arXiv 1811.11206). A weight that only
one has met keeps what it learnt; one that both met often is their average. Dense parameters and
their optimiser's moments are averaged (local SGD; Stich, ICLR'19).
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from online_model.network.model import Model
from online_model.settings import OnlineModelSettings
from online_model.training import join_kernels


class PeersError(RuntimeError):
    """The group of processes cannot be formed."""


@dataclass(frozen=True, slots=True)
class Peers:
    """This process is number ``rank`` of ``size``; made by :meth:`join`."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @classmethod
    def join(cls) -> "Peers":
        """The group that ``torchrun`` started, over gloo, or nccl where there is a GPU for each;
        alone without it. Raises PeersError."""
        if "WORLD_SIZE" not in os.environ:
            return cls()
        size, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
        local = int(os.environ.get("LOCAL_RANK", rank))
        gpu = torch.cuda.device_count() >= int(os.environ.get("LOCAL_WORLD_SIZE", size)) > 0
        try:
            dist.init_process_group("nccl" if gpu else "gloo")
        except (RuntimeError, ValueError) as error:
            raise PeersError(f"torchrun's processes do not find each other: {error}") from None
        return cls(rank, size, f"cuda:{local}" if gpu else "cpu")

    def leave(self) -> None:
        """After all have done their work."""
        if self.size > 1:
            dist.destroy_process_group()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags.item())

    def gathered(self, value: Any) -> list[Any]:
        """The small values of all processes, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def averaged(self, tensors: list[Tensor]) -> None:
        """Replaces float tensors by their means over the processes, in place."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).to(self.device)
        dist.all_reduce(flat, dist.ReduceOp.SUM)
        sizes = [tensor.numel() for tensor in tensors]
        parts = torch.split((flat / self.size).cpu(), sizes)
        with torch.no_grad():
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def all_rows(self, rows: Tensor) -> list[Tensor]:
        """Tensors [m, width] of all processes; m may differ."""
        count = torch.tensor([len(rows)], device=self.device)
        counts = [torch.zeros_like(count) for _ in range(self.size)]
        dist.all_gather(counts, count)
        longest = max(int(each.item()) for each in counts)
        padded = torch.zeros(longest, rows.shape[1], dtype=rows.dtype, device=self.device)
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return [part[: int(n.item())].cpu() for part, n in zip(parts, counts, strict=True)]


class SharedTable:
    """Joins the table of a model with those of the peers; ``touch`` says what changed since."""

    def __init__(self, model: Model, peers: Peers, settings: OnlineModelSettings) -> None:
        self._model, self._peers, self._memory = model, peers, settings.memory
        fields = model.shape.fields
        prior = [settings.first_order_prior * fields, settings.embedding_prior * fields**2]
        self._prior = np.array(prior, np.float32)
        self._touched = np.zeros(model.shape.rows, np.bool_)
        if peers.size > 1:
            self._values = model.table.values.numpy().copy()
            self._curvature = model.table.curvature.numpy().copy()

    def touch(self, rows: NDArray[np.integer[Any]]) -> None:
        """These rows changed."""
        self._touched[rows] = True

    def join(self) -> None:
        """Afterwards the tables of all processes are the same."""
        if self._peers.size == 1:
            return
        values, curvature = self._model.table.values.numpy(), self._model.table.curvature.numpy()
        old, prior = (self._values, self._curvature), self._prior
        own = np.flatnonzero(self._touched).astype(np.int32)
        told = np.empty((len(own), 2 + values.shape[1]), np.float32)
        join_kernels.tell(values, curvature, *old, own, prior, told)
        ids = [part[:, 0].numpy() for part in self._peers.all_rows(torch.from_numpy(own[:, None]))]
        for part in ids:
            self._touched[part] = True
        rows = np.flatnonzero(self._touched).astype(np.int32)
        join_kernels.open_rows(*old, rows, prior)
        for part, sums in zip(ids, self._peers.all_rows(torch.from_numpy(told)), strict=True):
            join_kernels.add(*old, part, sums.numpy())
        join_kernels.close_rows(values, curvature, *old, rows, prior, self._memory)
        self._touched[:] = False
