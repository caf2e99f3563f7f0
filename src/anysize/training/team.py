"""Gradients of several workers as one: what travels between the members of a team.

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
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from anysize.models.row_embedding import RowEmbedding
from anysize.scale.protocols import Team


def average_buffers(team: Team, module: nn.Module) -> None:
    """Averages floating-point buffers (batch statistics) over the workers."""
    if team.size == 1:
        return
    buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    if not buffers:
        return
    flat = torch.cat([buffer.reshape(-1).float() for buffer in buffers])
    team.add_up(flat)
    flat.div_(team.size)
    parts = flat.split([buffer.numel() for buffer in buffers])
    for buffer, part in zip(buffers, parts, strict=True):
        buffer.copy_(part.view_as(buffer))


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
