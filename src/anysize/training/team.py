"""The workers of a run, and what they say to each other.

Gradients are accumulated on each worker over its own micro-batches and then summed over the
workers in ONE all-reduce of a flat buffer a step. Why not ``DistributedDataParallel``: its hooks
count on one backward pass per parameter and step, and on the same number of them on every
worker. Here a step has as many micro-batches as its records need, some of them in two passes, and
a worker may have no record at all in the last step of an epoch. The sum is divided by the number of
records that all workers used together, so that the result does not depend on how they were
shared out. Everything else that must be agreed in a step (loss, counts, the wish to stop, the
clock) travels in the same buffer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from anysize.models.row_embedding import RowEmbedding

_BUCKET = 1 << 23


@dataclass(frozen=True, slots=True)
class Team:
    """This worker's ``rank`` among ``size``, and its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this worker writes files and talks to people."""
        return self.rank == 0

    def add_up(self, values: Tensor) -> None:
        """Sums over the workers, in place."""
        if self.size > 1:
            # In buckets: the communication library holds a copy of what is under way.
            for bucket in values.split(_BUCKET):
                torch.distributed.all_reduce(bucket)

    def average_buffers(self, module: nn.Module) -> None:
        """Averages floating-point buffers (batch statistics) over the workers."""
        if self.size == 1:
            return
        buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
        if not buffers:
            return
        flat = torch.cat([buffer.reshape(-1).float() for buffer in buffers])
        self.add_up(flat)
        flat.div_(self.size)
        parts = flat.split([buffer.numel() for buffer in buffers])
        for buffer, part in zip(buffers, parts, strict=True):
            buffer.copy_(part.view_as(buffer))

    def gather(self, value: Any) -> list[Any]:
        """Every worker's value, by rank; small Python values only."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def from_leader(self, *values: float) -> tuple[float, ...]:
        """The leader's numbers, on every worker."""
        leaders: tuple[float, ...] = self.gather(values)[0]
        return leaders


def alone() -> Team:
    """A team of one, on the best device of this machine."""
    return Team(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def join(timeout: timedelta = timedelta(hours=12)) -> Team:
    """Joins the process group that the elastic launcher describes in the environment.

    Args:
        timeout: for others to join, and for every exchange. Long, since the leader may have to
            index data or train a tokenizer first; a worker that ends is noticed at once anyway.
    """
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        torch.cuda.set_device(device)
        backend = "nccl"
    else:
        device = torch.device("cpu")
        backend = "gloo"
    torch.distributed.init_process_group(backend, timeout=timeout)
    return Team(torch.distributed.get_rank(), torch.distributed.get_world_size(), device)


class FlatGradients:
    """Gradients of all parameters in one buffer, with a few numbers at its end.

    Each parameter's ``grad`` is a view of the buffer, so backward passes accumulate into it and
    nothing is copied before or after the all-reduce.

    Args:
        parameters: those that are trained.
        numbers: how many extra numbers travel along.
        tables: embedding tables among them whose gradients touch single rows: all other rows are
            known to be zero and are not gone through. Only for a team of one, since others may
            touch other rows.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        numbers: int,
        tables: Sequence[RowEmbedding] = (),
    ) -> None:
        size = sum(parameter.numel() for parameter in parameters)
        self._buffer = torch.zeros(size + numbers, device=parameters[0].device)
        self.numbers = self._buffer[size:]
        self._tables = list(tables)
        for table in self._tables:
            table.touched = []
        by_rows = {id(table.weight) for table in self._tables}
        self._dense: list[Tensor] = []
        start = dense = 0
        for parameter in parameters:
            stop = start + parameter.numel()
            part = self._buffer[start:stop]
            # The parameter's own strides (channels-last): fused optimizers walk both alike.
            parameter.grad = part.as_strided(
                parameter.shape, parameter.stride(), part.storage_offset()
            )
            if id(parameter) in by_rows:
                self._dense.append(self._buffer[dense:start])
                dense = stop
            start = stop
        self._dense.append(self._buffer[dense:size])

    def clear(self) -> None:
        for part in self._dense:
            part.zero_()
        self.numbers.zero_()
        for table, rows in self._touched():
            _gradient(table)[rows] = 0
            table.touched = []

    def add_up(self, team: Team) -> None:
        """Sums gradients and numbers over the workers."""
        team.add_up(self._buffer)

    def finish(self, records: float, clip: float) -> float:
        """Divides by the number of records and clips the norm to ``clip`` (0 does not).

        Returns:
            The norm before clipping, 0.0 where it was not needed.
        """
        touched = [(_gradient(table), rows) for table, rows in self._touched()]
        scale = 1.0 / records
        norm = 0.0
        if clip > 0:
            parts = [*self._dense, *(gradient[rows] for gradient, rows in touched)]
            norm = math.hypot(*(float(part.norm()) for part in parts)) * scale
            if norm > clip:
                scale *= clip / norm
        for part in self._dense:
            part.mul_(scale)
        for gradient, rows in touched:
            gradient[rows] *= scale
        return norm

    def _touched(self) -> Iterator[tuple[RowEmbedding, Tensor]]:
        for table in self._tables:
            if table.touched:
                yield table, torch.unique(torch.cat(table.touched))


def _gradient(table: RowEmbedding) -> Tensor:
    """The gradient of a table's weight, which is a view of the buffer."""
    assert table.weight.grad is not None
    return table.weight.grad
