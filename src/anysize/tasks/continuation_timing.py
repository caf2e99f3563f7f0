"""How fast a language model continues prompts: work of a fixed size, as prediction does it."""

from __future__ import annotations

import dataclasses

from anysize.core.examples import Example
from anysize.core.windows import Span
from anysize.models.network import Network
from anysize.models.positions import position_count
from anysize.tasks.continuation_options import AnswerOptions
from anysize.tasks.text_continuation import TextContinuation
from anysize.tasks.timing import Timing

_PROMPT, _NEW = 32, 32


def continuation_timing(network: Network) -> Timing:
    """Prompts that are all continued by the same number of tokens, whatever the model writes.

    A model that ends its texts sooner, or goes round in a loop, would else look faster.

    Args:
        network: a language model; one of few positions gets shorter prompts and writes less.
    """
    positions = position_count(network.module.config) or _PROMPT + _NEW
    longest = max(min(_PROMPT, positions // 2), 1)
    new = max(min(_NEW, positions - longest), 1)
    step = TextContinuation(AnswerOptions(max_new_tokens=new, loops="keep")).step(network)
    return Timing(
        step=dataclasses.replace(step, options=dataclasses.replace(step.options, least=new)),
        example=lambda window: _prompt(window, longest),
        described=(
            f"a prompt of up to {longest} tokens that is continued by {new} tokens, as prediction "
            "does it"
        ),
    )


def _prompt(example: Example, longest: int) -> Example:
    """The first tokens of a window as a prompt."""
    ids = example.arrays["input_ids"][:longest]
    span = Span(0, len(ids))
    window = dataclasses.replace(example.window, index=0, region=span, core=span, last=True)
    return Example(ordinal=example.ordinal, window=window, arrays={"input_ids": ids}, cost=len(ids))
