"""Training from a stream of history that need not fit in memory, by one process or several.

The same steps as :mod:`online_model.training.trainer`: passes over the earlier part, then the
later part, each batch of which is predicted before it is learnt and whose predictions calibrate.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from online_model.history import History
from online_model.network.model import Architecture, Model
from online_model.network.this_process import prepare_to_learn
from online_model.settings import OnlineModelSettings
from online_model.training.learning_step import Objective, adam, learn_batch
from online_model.training.peers import Peers
from online_model.training.shared_model import SharedModel
from online_model.training.training_checkpoint import (
    CheckpointError,
    write_checkpoint,
)
from schemas.calibration import Calibration
from schemas.features import FeatureSpec

#: Position in the stream -> its history; the position is opaque here.
Parts = Iterator[tuple[Any, History]]
CURVE_ROWS = 20_000
#: Processes of one host have nothing to join, and wait for each other only to keep checkpoints.
MEETING_ROWS = 500_000


class StreamTrainer:
    """One model in training. ``curve`` has (rows learnt, log loss before learning them) pairs."""

    def __init__(
        self, model: Model, settings: OnlineModelSettings, peers: Peers, sync_rows: int
    ) -> None:
        prepare_to_learn(settings.torch_threads)
        settings = settings.for_one_of(peers.size)
        torch.manual_seed(settings.seed + peers.rank)
        self.model = model
        self.curve: list[tuple[int, float]] = []
        self.rows_learnt = 0
        self._settings, self._peers = settings, peers
        self._dense = adam(model, settings)
        self._objective = Objective(Calibration(), "vanilla", 0.0)
        self._shared = SharedModel(model, self._dense.tensors, peers, settings)
        of_one_host = peers.size > 1 and not self._shared.has_hosts
        self._sync_rows = max(sync_rows, MEETING_ROWS) if of_one_host else sync_rows
        self._loss = self._weight = 0.0
        self._learnt_by_peer = [0] * peers.size

    @classmethod
    def new(
        cls,
        spec: FeatureSpec,
        architecture: Architecture,
        first: History,
        settings: OnlineModelSettings,
        peers: Peers,
        sync_rows: int,
    ) -> "StreamTrainer":
        """``first`` rows give standardisation and base rate; all processes pass the same ones."""
        base_rate = float(np.average(first.labels, weights=first.weights))
        rate = min(max(base_rate, 1e-6), 1.0 - 1e-6)
        model = Model.new(spec, architecture, first.samples, rate, settings)
        return cls(model, settings, peers, sync_rows)

    def learn(
        self,
        parts: Parts,
        synced: Callable[[list[Any]], None] = lambda positions: None,
        predict_every: int = 0,
    ) -> list[NDArray[np.float32]]:
        """Learn parts until no process has any left; hosts join every ``sync_rows``.

        ``synced`` is told the positions of all processes whenever all have stopped. Returns
        of each part the logits of every ``predict_every``-th row from before it was learnt.
        """
        logits: list[NDArray[np.float32]] = []
        position: Any = None
        ended = False
        while True:
            rows = 0
            while rows < self._sync_rows and not ended:
                found = next(parts, None)
                if found is None:
                    ended = True
                    break
                position, history = found
                before = self._learn_history(history)
                if predict_every:
                    logits.append(before[::predict_every].copy())
                rows += len(history)
            self._shared.join()
            told = self._peers.gathered((position, self.rows_learnt))
            self._learnt_by_peer = [learnt for _, learnt in told]
            synced([place for place, _ in told])
            if not self._peers.any(not ended):
                return logits

    def save(self, path: Path, place: Any) -> None:
        """What :meth:`restore` needs, atomically."""
        table = self.model.table
        state = {
            "values": table.values,
            "curvature": table.curvature,
            "dense": [tensor.detach() for tensor in self._dense.tensors],
            "random": torch.get_rng_state(),
            "rows_learnt": self._learnt_by_peer,
            "curve": self.curve,
            "loss": (self._loss, self._weight),
        }
        write_checkpoint(path, state, place)

    def restore(self, path: Path, state: dict[str, Any]) -> None:
        """Goes on from the state that :meth:`save` wrote to the path. Raises CheckpointError."""
        try:
            self.model.table.values.copy_(state["values"])
            self.model.table.curvature.copy_(state["curvature"])
            for tensor, kept in zip(self._dense.tensors, state["dense"], strict=True):
                tensor.copy_(kept)
            torch.set_rng_state(state["random"])
            self._learnt_by_peer, self.curve = state["rows_learnt"], list(state["curve"])
            self.rows_learnt = self._learnt_by_peer[self._peers.rank]
            self._loss, self._weight = state["loss"]
        except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path}: of another release or model ({error}); delete it to begin anew"
            ) from None
        self._shared.begin()

    def _learn_history(self, history: History) -> NDArray[np.float32]:
        """Logits from before each batch was learnt."""
        logits = np.empty(len(history), np.float32)
        size = self._settings.batch_size
        for start in range(0, len(history), size):
            part = history.part(start, start + size)
            batch = self.model.batcher.batch(part.samples)
            labels, weights = torch.from_numpy(part.labels), torch.from_numpy(part.weights)
            scores, rows = learn_batch(
                self.model, batch, labels, weights, self._objective, self._settings, self._dense
            )
            logits[start : start + len(part)] = scores.numpy()
            self._shared.touch(rows)
        self._count(history, logits)
        return logits

    def _count(self, history: History, logits: NDArray[np.float32]) -> None:
        scores, labels, weights = map(torch.from_numpy, (logits, history.labels, history.weights))
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            scores, labels, weights, reduction="sum"
        )
        self.rows_learnt += len(history)
        self._loss += float(losses)
        self._weight += float(history.weights.sum())
        if self.rows_learnt // CURVE_ROWS > (self.rows_learnt - len(history)) // CURVE_ROWS:
            self.curve.append((self.rows_learnt, self._loss / self._weight))
            self._loss = self._weight = 0.0
