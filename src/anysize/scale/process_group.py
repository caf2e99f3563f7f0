"""The team of the local engine: processes that PyTorch's process group connects."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from anysize.core import memory
from anysize.scale.protocols import Team

# Long, since the leader may have to index data or train a tokenizer before it joins; a worker that
# ends is noticed at once anyway.
_PATIENCE = timedelta(hours=12)
_BUCKET = 1 << 23


@dataclass(frozen=True, slots=True)
class ProcessGroup(Team):
    """The workers of PyTorch's default process group (gloo, or NCCL on GPUs)."""

    rank: int
    size: int
    device: torch.device

    @property
    def beside(self) -> int:
        """Of the launcher, which waits for its workers; see `Team`."""
        return memory.resident(os.getppid())

    def add_up(self, values: Tensor) -> None:
        """See `Team`."""
        # In buckets: the communication library holds a copy of what is under way.
        for bucket in values.split(_BUCKET):
            torch.distributed.all_reduce(bucket)

    def gather(self, value: Any) -> list[Any]:
        """See `Team`."""
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values


class ProcessMember:
    """A worker process as the elastic launcher describes it in the environment.

    Args:
        waited: see ``scale.protocols.Member``.
    """

    attempt = 0

    def __init__(self, waited: float) -> None:
        self.rank = int(os.environ["RANK"])
        self.waited = waited

    def join(self) -> Team:
        """See ``scale.protocols.Member``."""
        if torch.cuda.is_available():
            local = int(os.environ["LOCAL_RANK"])
            device = torch.device("cuda", local % torch.cuda.device_count())
            torch.cuda.set_device(device)
            backend = "nccl"
        else:
            device = torch.device("cpu")
            backend = "gloo"
        torch.distributed.init_process_group(backend, timeout=_PATIENCE)
        rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        return ProcessGroup(rank, size, device)

    def leave(self) -> None:
        """Ends the process group where it was joined."""
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
