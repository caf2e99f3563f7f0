"""What is changed of the logits before a token is chosen: repetitions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anysize.core.generation import GenerationOptions
from anysize.runtimes.beam_search import forbid_repeats


def restricted(
    logits: Tensor, texts: Sequence[Sequence[int]], options: GenerationOptions
) -> Tensor | None:
    """Logits with penalties for what came already; None where nothing is asked for.

    The arithmetic is that of transformers (``RepetitionPenaltyLogitsProcessor`` and
    ``NoRepeatNGramLogitsProcessor``), in its order.

    Args:
        logits: ``[rows, vocabulary]``.
        texts: the tokens of each row that count.
        options: of the generation.
    """
    if options.penalty == 1 and not options.no_repeat:
        return None
    found = logits.clone()
    if options.penalty != 1:
        for row, tokens in enumerate(texts):
            seen = torch.tensor(sorted(set(tokens)), dtype=torch.long, device=logits.device)
            own = found[row, seen]
            found[row, seen] = torch.where(own < 0, own * options.penalty, own / options.penalty)
    if options.no_repeat:
        forbid_repeats(found, texts, options.no_repeat)
    return found
