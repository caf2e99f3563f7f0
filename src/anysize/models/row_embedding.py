"""Embedding tables whose gradient is added to the rows that were looked up, and to no others.

A step looks up some hundred rows of a vocabulary of tens of thousands. torch's own backward pass
makes a gradient of the whole table, mostly zeros, and adds all of it to what has been gathered:
for MiniLM 47 MB to fill and 140 MB to add, in each micro-batch.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_FEWEST_ROWS = 1024
"""Smaller tables gain nothing."""


class RowEmbedding(nn.Embedding):
    """Stands in for ``nn.Embedding``: same numbers, same parameter.

    Where the weight has a gradient already (training gathers into one buffer), the rows' gradients
    are added to it in place; elsewhere the gradient is made as usual.

    Attributes:
        touched: ids of the rows that gradients were added to in place, where somebody follows
            them (and clears the list with the gradient); None where nobody does.
    """

    def __init__(self, replaced: nn.Embedding) -> None:
        nn.Module.__init__(self)
        self.num_embeddings = replaced.num_embeddings
        self.embedding_dim = replaced.embedding_dim
        self.padding_idx = replaced.padding_idx
        self.max_norm, self.norm_type = None, 2.0
        self.scale_grad_by_freq = self.sparse = False
        self.weight = replaced.weight
        self.touched: list[Tensor] | None = None
        self.train(replaced.training)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name is nn.Embedding's)
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return functional.embedding(input, self.weight, self.padding_idx)
        return cast(Tensor, _LookUp.apply(input, self.weight, self))  # type: ignore[no-untyped-call]


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, table: RowEmbedding) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.table = table
        return functional.embedding(ids, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor | None, None]:
        (ids,) = ctx.saved_tensors
        table: RowEmbedding = ctx.table
        padding = -1 if table.padding_idx is None else table.padding_idx
        gradient = table.weight.grad
        if gradient is None:
            rows = table.num_embeddings
            dense = torch.ops.aten.embedding_dense_backward(grads[0], ids, rows, padding, False)
            return None, dense, None
        rows, places = torch.unique(ids, return_inverse=True)
        summed = torch.ops.aten.embedding_dense_backward(grads[0], places, len(rows), -1, False)
        if padding >= 0:
            summed[rows == padding] = 0
        gradient[rows] += summed
        if table.touched is not None:
            table.touched.append(rows)
        return None, None, None


def replace_embeddings(module: nn.Module) -> int:
    """Puts a `RowEmbedding` in the place of each large embedding table below ``module``.

    Tables whose weight is also used elsewhere (tied to an output layer) stay, because their
    gradient has no zeros to save.

    Returns:
        How many were replaced. Parameter names and saved files do not change.
    """
    uses: dict[int, int] = {}
    for _, parameter in module.named_parameters(remove_duplicate=False):
        uses[id(parameter)] = uses.get(id(parameter), 0) + 1
    replaced = 0
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Embedding and _is_plain(child) and uses[id(child.weight)] == 1:
                setattr(parent, name, RowEmbedding(child))
                replaced += 1
    return replaced


def _is_plain(table: nn.Embedding) -> bool:
    return (
        table.num_embeddings >= _FEWEST_ROWS
        and table.max_norm is None
        and not table.scale_grad_by_freq
        and not table.sparse
    )


def row_embeddings(module: nn.Module) -> list[RowEmbedding]:
    """The tables below ``module`` whose gradients touch single rows, with trained weights."""
    return [
        each
        for each in module.modules()
        if isinstance(each, RowEmbedding) and each.weight.requires_grad
    ]
