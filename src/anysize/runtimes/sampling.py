"""The next tokens of sequences: the most probable, or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor

from anysize.core.generation import GenerationOptions
from anysize.core.windows import Window


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
        self, logits: Tensor, forbidden: Sequence[int] = ()
    ) -> tuple[list[int], list[float]]:
        """The next tokens and the logarithms of their probabilities.

        Args:
            logits: ``[rows, vocabulary]``.
            forbidden: tokens that are not taken.
        """
        every = torch.log_softmax(logits, 1)
        if forbidden:
            logits = logits.clone()
            logits[:, list(forbidden)] = -torch.inf
        if self._random:
            each = zip(logits.cpu(), self._random, strict=True)
            tokens = torch.tensor([self._drawn(row, random) for row, random in each])
        else:
            tokens = logits.argmax(1)
        scores = every.gather(1, tokens[:, None].to(every.device))[:, 0]
        return tokens.tolist(), scores.tolist()

    def keep(self, rows: Sequence[int]) -> None:
        """Lets the other rows go."""
        if self._random:
            self._random = [self._random[row] for row in rows]

    def _drawn(self, logits: Tensor, random: torch.Generator) -> int:
        options = self._options
        if not bool(torch.isfinite(logits).any()) or bool(torch.isnan(logits).any()):
            return 0  # the row fails
        order = torch.argsort(logits, descending=True, stable=True)
        if options.top_k:
            order = order[: options.top_k]
        shares = torch.softmax(logits[order] / options.temperature, 0)
        if options.top_p < 1:
            # The token that reaches the sum is the last one that counts.
            chosen = shares.cumsum(0) - shares < options.top_p
            order, shares = order[chosen], shares[chosen]
        return int(order[torch.multinomial(shares, 1, generator=random)])


def _generator(seed: int, window: Window) -> torch.Generator:
    name = f"{seed} {window.index} {window.record}"
    own = int.from_bytes(blake2b(name.encode(), digest_size=7).digest())
    return torch.Generator().manual_seed(own)
