"""Cross entropy over a large vocabulary, a few rows at a time, each in the processor's cache.

``torch.nn.functional.cross_entropy`` of 4,096 tokens over 8,000 classes goes through six tensors of
131 MB, one after the other: in float32, its softmax, zeros, gradients of both. Here a block of rows
that fits into the cache gives its losses and their gradient at once, which is kept in the logits'
own type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = 1 << 18
"""Elements of a block: 1 MiB in float32, half of a core's second cache."""

Losses: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]


def cross_entropy(logits: Tensor, wanted: Tensor, smoothing: float = 0.0) -> Tensor:
    """The loss of each token, float32 ``[tokens]``.

    Args:
        logits: ``[tokens, classes]``, of any floating type; losses are computed in float32.
        wanted: the right class of each, int64 ``[tokens]``.
        smoothing: of the probability mass, spread over all classes evenly (Szegedy et al. 2016,
            arXiv:1512.00567), as ``label_smoothing`` of torch's function has it.
    """
    return of_rows(logits, partial(_by_blocks, wanted=wanted, smoothing=smoothing))


def of_rows(logits: Tensor, losses: Losses) -> Tensor:
    """Losses of rows whose gradient is found together with them.

    Args:
        logits: ``[rows, classes]``.
        losses: gives a loss for each row; where it is given a tensor like the logits, it also fills
            that with the gradient of each loss by its row.
    """
    if torch.is_grad_enabled() and logits.requires_grad:
        return cast(Tensor, _OfRows.apply(logits, losses))  # type: ignore[no-untyped-call]
    return losses(logits, None)


class _OfRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, losses: Losses) -> Tensor:
        gradient = torch.empty_like(logits)
        found = losses(logits, gradient)
        ctx.save_for_backward(gradient)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        if bool((given[0] == 1).all()):  # of a sum
            return gradient, None
        return gradient * given[0].to(gradient.dtype)[:, None], None


def _by_blocks(logits: Tensor, gradient: Tensor | None, *, wanted: Tensor, smoothing: float) -> (
    Tensor
):  # fmt: skip
    tokens, classes = logits.shape
    losses = torch.empty(tokens, dtype=torch.float32, device=logits.device)
    rows = max(AT_ONCE // classes, 1)
    for start in range(0, tokens, rows):
        part = slice(start, start + rows)
        right = wanted[part, None]
        values = logits[part].float()
        total = values.logsumexp(1, keepdim=True)
        loss = (total - values.gather(1, right))[:, 0]
        if smoothing:
            evenly = total[:, 0] - values.mean(1)
            loss = (1 - smoothing) * loss + smoothing * evenly
        losses[part] = loss
        if gradient is not None:
            values = (values - total).exp_()
            if smoothing:
                values.sub_(smoothing / classes)
            values.scatter_add_(1, right, values.new_full(right.shape, smoothing - 1))
            gradient[part] = values
    return losses
