"""The negative log-likelihood of tokens, in memory that does not grow with vocabulary times length.

Logits of a few thousand tokens over a vocabulary of fifty thousand take a gigabyte. Here they are
made for a bounded number of tokens at a time, and only where a token is wanted; in training they
are made again on the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from anysize.models.cross_entropy import cross_entropy
from anysize.models.divergence import token_divergence

IGNORED = -100
"""In the place of a token that is not wanted."""

LOGITS_AT_ONCE = 1 << 24


@dataclass(frozen=True, slots=True)
class BeforeHead:
    """What the head of a language model reads, and the head.

    Attributes:
        states: ``[tokens, width]``, or the logits where a model gives these alone.
        head: from states ``[n, width]`` to logits ``[n, vocabulary]``.
    """

    states: Tensor
    head: Callable[[Tensor], Tensor]


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


def token_divergences(
    own: BeforeHead, other: BeforeHead, wanted: Tensor, vocabulary: int, temperature: float
) -> Tensor:
    """How far a student's distribution of each wanted token is from its teacher's.

    Args:
        own: of the student.
        other: of the teacher, without a gradient, of the same tokens.
        wanted: the token that comes next, int64 ``[tokens]``; `IGNORED` gives 0.
        vocabulary: how many tokens both know.
        temperature: see ``models.divergence``.

    Returns:
        float32 ``[tokens]``.
    """
    places = (wanted != IGNORED).nonzero()[:, 0]
    found = torch.zeros(len(wanted), dtype=torch.float32, device=own.states.device)
    if not len(places):
        return found + own.states.sum().float() * 0
    # There are logits of two.
    most = max(LOGITS_AT_ONCE // (2 * vocabulary), 1)
    parts = []
    for part in places.split(most):
        given = own.states[part], other.states[part], own.head, other.head, temperature
        if len(places) > most and torch.is_grad_enabled():
            parts.append(checkpoint(_divergences, *given, use_reentrant=False))
        else:
            parts.append(_divergences(*given))
    return found.index_put((places,), torch.cat(parts))


def _divergences(
    own: Tensor,
    other: Tensor,
    head: Callable[[Tensor], Tensor],
    others_head: Callable[[Tensor], Tensor],
    temperature: float,
) -> Tensor:
    with torch.no_grad():
        wanted = others_head(other)
    return token_divergence(head(own), wanted, temperature)


def _losses(states: Tensor, wanted: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    return cross_entropy(head(states), wanted)
