"""The negative log-likelihood of tokens, in memory that does not grow with vocabulary times length.

Logits of a few thousand tokens over a vocabulary of fifty thousand take a gigabyte. Here they are
made for a bounded number of tokens at a time, and only where a token is wanted; in training they
are made again on the way back.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from anysize.models.cross_entropy import cross_entropy

IGNORED = -100
"""In the place of a token that is not wanted."""

LOGITS_AT_ONCE = 1 << 24


def token_losses(
    states: Tensor, wanted: Tensor, head: Callable[[Tensor], Tensor], vocabulary: int
) -> Tensor:
    """Minus the natural logarithm of each wanted token's probability, float32 ``[tokens]``.

    Args:
        states: ``[tokens, width]``, of the places that predict.
        wanted: the token that comes next, int64 ``[tokens]``; `IGNORED` gives 0.
        head: from states ``[n, width]`` to logits ``[n, vocabulary]``.
        vocabulary: how many tokens the head knows.
    """
    places = (wanted != IGNORED).nonzero()[:, 0]
    losses = torch.zeros(len(wanted), dtype=torch.float32, device=states.device)
    if not len(places):
        # Training wants a gradient, of zero, all the same.
        return losses + states.sum().float() * 0
    most = max(LOGITS_AT_ONCE // vocabulary, 1)
    found = []
    for part in places.split(most):
        given = states[part], wanted[part], head
        if len(places) > most and torch.is_grad_enabled():
            found.append(checkpoint(_losses, *given, use_reentrant=False))
        else:
            found.append(_losses(*given))
    return losses.index_put((places,), torch.cat(found))


def _losses(states: Tensor, wanted: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    return cross_entropy(head(states), wanted)
