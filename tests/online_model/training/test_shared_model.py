"""Two processes that train one model, on one host and on two, against one process."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from online_model.network.model import Model
from online_model.settings import OnlineModelSettings
from online_model.training.learning_step import Objective, adam, learn_batch
from online_model.training.peers import Peers
from online_model.training.shared_model import SharedModel
from schemas.calibration import Calibration
from tests.online_model.small_log import SETTINGS, history, random_model

BATCHES, ROWS = 6, 50
PLAIN = Objective(Calibration(), "vanilla", 0.0)
#: An embedding's step is limited in each process for itself: two halves may go twice as far.
FREE = SETTINGS.model_copy(update={"embedding_step_limit": 1e6})
Result = dict[str, Tensor]


class Learning:
    """A model in training by this process and its peers."""

    def __init__(self, peers: Peers, settings: OnlineModelSettings, seed: int = 0) -> None:
        torch.set_num_threads(1)
        self.model: Model = random_model(seed=seed)
        self.settings, self.optimiser = settings, adam(self.model, settings)
        self.shared = SharedModel(self.model, self.optimiser.tensors, peers, settings)

    def learn(self, begin: int, end: int, dense: bool = True) -> None:
        """These rows of the log, as one batch."""
        part = history(BATCHES * ROWS).part(begin, end)
        batch = self.model.batcher.batch(part.samples)
        labels, weights = torch.from_numpy(part.labels), torch.from_numpy(part.weights)
        optimiser = self.optimiser if dense else None
        _, rows = learn_batch(self.model, batch, labels, weights, PLAIN, self.settings, optimiser)
        self.shared.touch(rows)

    def result(self) -> Result:
        table = self.model.table
        dense = {f"dense {n}": tensor for n, tensor in enumerate(self.optimiser.tensors)}
        found = {"values": table.values, "curvature": table.curvature, **dense}
        return {name: tensor.clone() for name, tensor in found.items()}


def in_turn(peers: Peers) -> Result:
    """Each process of one host learns every other batch, while the other waits. They begin with
    the weights of the first."""
    learning = Learning(peers, SETTINGS, seed=peers.rank)
    for number in range(BATCHES):
        if number % peers.size == peers.rank:
            learning.learn(number * ROWS, (number + 1) * ROWS)
        peers.wait()
    learning.shared.join()
    return learning.result()


def halves(peers: Peers) -> Result:
    """Each host learns its half of each batch, then they join."""
    learning = Learning(peers, FREE)
    part = ROWS // peers.size
    for number in range(BATCHES):
        begin = number * ROWS + peers.rank * part
        learning.learn(begin, begin + part, dense=False)
        learning.shared.join()
    return learning.result()


def process(rank: int, folder: Path) -> None:
    """One of two; what both came to is written to a file."""
    os.environ["OMP_NUM_THREADS"] = "1"
    dist.init_process_group("gloo", init_method=f"file://{folder / 'met'}", rank=rank, world_size=2)
    found = {"in_turn": in_turn(Peers(rank, 2)), "halves": halves(Peers(rank, 2, "cpu", rank))}
    torch.save(found, folder / str(rank))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Result]]:
    """Results of both processes."""
    folder = tmp_path_factory.mktemp("two")
    spawn(process, args=(folder,), nprocs=2)  # type: ignore[no-untyped-call]
    return [torch.load(folder / str(rank)) for rank in range(2)]


def test_processes_of_a_host_learn_as_one_that_takes_their_batches_in_turn(
    by_two: list[dict[str, Result]],
) -> None:
    alone = in_turn(Peers())
    for found in by_two:
        for name, tensor in alone.items():
            np.testing.assert_array_equal(found["in_turn"][name], tensor, err_msg=name)


def test_hosts_that_join_after_every_step_learn_as_one_with_the_batch_of_both(
    by_two: list[dict[str, Result]],
) -> None:
    alone = halves(Peers())
    moved = (alone["values"] - random_model().table.values).abs().max()
    assert moved > 0.1
    for found in by_two:
        for name, tensor in alone.items():
            np.testing.assert_allclose(
                found["halves"][name], tensor, rtol=1e-3, atol=1e-4, err_msg=name
            )
