"""The processes that train together: those of one host, and those of several."""

import os
import sys
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor


class PeersError(RuntimeError):
    """The group of processes cannot be formed."""


@dataclass(frozen=True, slots=True)
class Peers:
    """This process is number ``rank`` of ``size``; made by :meth:`join`. The processes of its host
    are numbered one after the other, from ``first_of_host`` on. ``group`` is torch's name of them
    all, None for all there are."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    first_of_host: int = 0
    group: Any = None

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
        return cls(rank, size, f"cuda:{local}" if gpu else "cpu", rank - local)

    def leave(self) -> None:
        """After all have done their work."""
        if self.size > 1:
            dist.destroy_process_group()

    def end(self) -> NoReturn:
        """Ends this process, which has nothing more to do. At once: threads of torch or Arrow may
        abort while Python tidies up, and torchrun would stop the first process, too."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    @property
    def is_first_of_host(self) -> bool:
        """Whether it does what is to be done once on each host."""
        return self.rank == self.first_of_host

    def first_of_hosts(self) -> "Peers":
        """The first processes of all hosts, of which this one counts as its host's. All call it."""
        firsts = sorted(set(self.gathered(self.first_of_host)))
        if len(firsts) == 1:
            return Peers(device=self.device)
        rank = firsts.index(self.first_of_host)
        return replace(
            self, rank=rank, size=len(firsts), first_of_host=rank, group=dist.new_group(firsts)
        )

    def wait(self) -> None:
        """For all processes to come here."""
        if self.size > 1:
            dist.barrier(self.group)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX, self.group)
        return bool(flags.item())

    def gathered(self, value: Any) -> list[Any]:
        """The small values of all processes, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, self.group)
        return values

    def averaged(self, tensors: list[Tensor]) -> None:
        """Replaces float tensors by their means over the processes, in place."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors]).to(self.device)
        dist.all_reduce(flat, dist.ReduceOp.SUM, self.group)
        sizes = [tensor.numel() for tensor in tensors]
        parts = torch.split((flat / self.size).cpu(), sizes)
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def all_rows(self, rows: Tensor) -> list[Tensor]:
        """Tensors [m, width] of all processes; m may differ."""
        count = torch.tensor([len(rows)], device=self.device)
        counts = [torch.zeros_like(count) for _ in range(self.size)]
        dist.all_gather(counts, count, self.group)
        longest = max(int(each.item()) for each in counts)
        padded = torch.zeros(longest, rows.shape[1], dtype=rows.dtype, device=self.device)
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded, self.group)
        return [part[: int(n.item())].cpu() for part, n in zip(parts, counts, strict=True)]
