"""Memory that the processes of a host have in common: what one writes, the others read at once."""

import mmap
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from online_model.training.peers import Peers, PeersError

ALIGNMENT = 64


def share(tensors: Sequence[Tensor], peers: Peers) -> None:
    """Moves tensors into memory of all processes of this host, with the values that its first
    process has. All pass tensors of the same shapes and types.

    The memory has no name in any folder: it goes with the last process, also when they are killed.
    Raises PeersError.
    """
    places = [0]
    for tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        places.append(places[-1] + -(-size // ALIGNMENT) * ALIGNMENT)
    memory = _mapped(places[-1], peers)
    for tensor, place in zip(tensors, places[:-1], strict=True):
        here = np.frombuffer(memory, np.uint8, tensor.numel() * tensor.element_size(), place)
        common = torch.from_numpy(here).view(tensor.dtype).view(tensor.shape)
        if peers.is_first_of_host:
            common.copy_(tensor)
        tensor.set_(common.untyped_storage(), 0, tensor.shape, tensor.stride())
    peers.wait()


def _mapped(size: int, peers: Peers) -> mmap.mmap:
    """The same ``size`` bytes in all processes of a host."""
    own = os.memfd_create("model") if peers.is_first_of_host else None
    try:
        path = ""
        if own is not None:
            os.ftruncate(own, size)
            path = f"/proc/{os.getpid()}/fd/{own}"
        path = peers.gathered(path)[peers.first_of_host]
        try:
            file = os.open(path, os.O_RDWR)
        except OSError as error:
            raise PeersError(f"processes of one host cannot share memory: {error}") from None
        try:
            return mmap.mmap(file, size)
        finally:
            os.close(file)
            peers.wait()
    finally:
        if own is not None:
            os.close(own)
