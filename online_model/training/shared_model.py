"""One model that several processes train at once.

Those of one host read and write the same memory, each as if it were alone and without waiting for
the others (Hogwild; Niu et al., NIPS'11): a step is told to all at once. It was made from weights
up to one step of each other process older, so a batch is divided among them, and what is learnt
meanwhile is no more than one batch.

Hosts put together what theirs have learnt now and then. Every weight of the table has a Gaussian
posterior (see row_table), so what two hosts learnt from different rows is joined as evidence is:
precisions add up, and means are weighted with them (the product of posteriors over one prior, as in
Bui et al., arXiv 1811.11206). A weight that only one has met keeps what it learnt. Dense parameters
and their optimiser's state are averaged (local SGD; Stich, ICLR'19).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from online_model.network.model import Model
from online_model.settings import OnlineModelSettings
from online_model.training import join_kernels
from online_model.training.peers import Peers
from online_model.training.shared_memory import share


class SharedModel:
    """``dense`` is what is learnt beside the table. ``touch`` says which rows changed; ``begin``
    comes before the first step, and again when the model was given other weights."""

    def __init__(
        self, model: Model, dense: list[Tensor], peers: Peers, settings: OnlineModelSettings
    ) -> None:
        self._table, self._dense, self._peers = model.table, dense, peers
        self._hosts, self._memory = peers.first_of_hosts(), settings.memory
        fields = model.shape.fields
        prior = [settings.first_order_prior * fields, settings.embedding_prior * fields**2]
        self._prior = np.array(prior, np.float32)
        touched = torch.zeros(model.shape.rows, dtype=torch.bool)
        if peers.size > 1:
            share([model.table.values, model.table.curvature, *dense, touched], peers)
        self._touched = touched.numpy()
        self.begin()

    @property
    def has_hosts(self) -> bool:
        """Whether there are several."""
        return self._hosts.size > 1

    @property
    def _joins(self) -> bool:
        """Whether this process puts together what hosts have learnt."""
        return self.has_hosts and self._peers.is_first_of_host

    def begin(self) -> None:
        """The model is the same in all processes, and none has learnt anything yet."""
        if self._joins:
            self._values = self._table.values.numpy().copy()
            self._curvature = self._table.curvature.numpy().copy()
        self._touched[:] = False
        self._peers.wait()

    def touch(self, rows: NDArray[np.integer[Any]]) -> None:
        """These rows changed."""
        if self.has_hosts:
            self._touched[rows] = True

    def join(self) -> None:
        """Waits for all processes; afterwards the models of all hosts are the same."""
        self._peers.wait()
        if self._joins:
            self._join_rows()
            self._hosts.averaged(self._dense)
        self._peers.wait()

    def _join_rows(self) -> None:
        values, curvature = self._table.values.numpy(), self._table.curvature.numpy()
        old, prior = (self._values, self._curvature), self._prior
        own = np.flatnonzero(self._touched).astype(np.int32)
        told = np.empty((len(own), 2 + values.shape[1]), np.float32)
        join_kernels.tell(values, curvature, *old, own, prior, told)
        ids = [part[:, 0].numpy() for part in self._hosts.all_rows(torch.from_numpy(own[:, None]))]
        for part in ids:
            self._touched[part] = True
        rows = np.flatnonzero(self._touched).astype(np.int32)
        join_kernels.open_rows(*old, rows, prior)
        for part, sums in zip(ids, self._hosts.all_rows(torch.from_numpy(told)), strict=True):
            join_kernels.add(*old, part, sums.numpy())
        join_kernels.close_rows(values, curvature, *old, rows, prior, self._memory)
        self._touched[:] = False
