"""The next tokens of sequences: the most probable, or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from anysize.core.generation import GenerationOptions
from anysize.core.windows import Window

_BLOCK = 256


class Choice(NamedTuple):
    """The next token of each row.

    Attributes:
        tokens: their ids.
        scores: logarithms of their probabilities.
        sound: whether the row's logits were numbers.
    """

    tokens: list[int]
    scores: list[float]
    sound: list[bool]


class Chooser:
    """Chooses the next token of each row of a batch.

    What is drawn for a row depends on the seed, its record and its window alone.

    Args:
        options: how tokens are chosen.
        windows: whose sequences they are.
    """

    def __init__(self, options: GenerationOptions, windows: Sequence[Window]) -> None:
        self._options = options
        self._random: list[torch.Generator] = []
        if options.temperature > 0:
            self._random = [_generator(options.seed, window) for window in windows]

    def __call__(
        self, logits: Tensor, forbidden: Sequence[int] = (), changed: Tensor | None = None
    ) -> Choice:
        """The next tokens and the logarithms of their probabilities.

        Args:
            logits: ``[rows, vocabulary]``, as the model gave them.
            forbidden: tokens that are not taken.
            changed: the same with what penalties and rules made of them, which the choice is made
                by; its forbidden ones may be taken away in place. None where nothing did.
        """
        # Of a row with a number that is none the sum is none, too.
        whole = torch.logsumexp(logits, 1)
        if forbidden:
            changed = logits.clone() if changed is None else changed
            changed[:, list(forbidden)] = -torch.inf
        found = logits if changed is None else changed
        if self._random:
            each = zip(found.cpu(), self._random, strict=True)
            tokens = torch.tensor([self._drawn(row, random) for row, random in each])
        else:
            tokens = largest(found)
        scores = logits.gather(1, tokens[:, None].to(logits.device))[:, 0] - whole
        return Choice(tokens.tolist(), scores.tolist(), torch.isfinite(whole).tolist())

    def keep(self, rows: Sequence[int]) -> None:
        """Lets the other rows go."""
        if self._random:
            self._random = [self._random[row] for row in rows]

    def _drawn(self, logits: Tensor, random: torch.Generator) -> int:
        options = self._options
        if not bool(torch.isfinite(logits).any()) or bool(torch.isnan(logits).any()):
            return 0  # the row fails
        if options.top_k:
            # Of equal ones the first in the vocabulary come first.
            least = logits.topk(min(options.top_k, len(logits))).values[-1]
            among = (logits >= least).nonzero()[:, 0]
            order = among[torch.argsort(logits[among], descending=True, stable=True)]
            order = order[: options.top_k]
        else:
            order = torch.argsort(logits, descending=True, stable=True)
        shares = torch.softmax(logits[order] / options.temperature, 0)
        if options.top_p < 1:
            # The token that reaches the sum is the last one that counts.
            chosen = shares.cumsum(0) - shares < options.top_p
            order, shares = order[chosen], shares[chosen]
        return int(order[torch.multinomial(shares, 1, generator=random)])


def largest(logits: Tensor) -> Tensor:
    """The place of the largest number of each row; of equal ones the first.

    Looking for the place is slow, so it is looked for in the block that the largest number is in.
    """
    rows, size = logits.shape
    whole = size - size % _BLOCK
    if not whole:
        return logits.argmax(1)
    blocks = logits[:, :whole].reshape(rows, -1, _BLOCK)
    tops, block = blocks.amax(2).max(1)
    each = torch.arange(rows, device=logits.device)
    found = block * _BLOCK + blocks[each, block].argmax(1)
    if whole == size:
        return found
    last, place = logits[:, whole:].max(1)
    return torch.where(last > tops, whole + place, found)


def _generator(seed: int, window: Window) -> torch.Generator:
    name = f"{seed} {window.index} {window.record}"
    own = int.from_bytes(blake2b(name.encode(), digest_size=7).digest())
    return torch.Generator().manual_seed(own)
