"""What a model's configuration says of how it generates: how sequences end, and their room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from anysize.core.examples import Example
from anysize.models.positions import position_count

NOT_A_NUMBER = (
    "the model's probabilities of the next token are not numbers (NaN or infinity): its weights "
    "are damaged"
)
UNBOUNDED = 1 << 30
"""The room of a model that has no bound."""


def encodes(module: nn.Module) -> bool:
    """Whether the model is an encoder-decoder."""
    config: Any = module.config
    return bool(getattr(config, "is_encoder_decoder", False))


def never_of(module: nn.Module) -> tuple[int, ...]:
    """Tokens that the model's configuration forbids, such as padding."""
    owner = getattr(module, "generation_config", None)
    words = getattr(owner, "bad_words_ids", None) or ()
    return tuple(int(word[0]) for word in words if len(word) == 1)


def begun_together(module: nn.Module, examples: Sequence[Example]) -> list[list[int]]:
    """Places of examples that are begun together: of encoder-decoders, whose start is as long."""
    if not encodes(module):
        return [list(range(len(examples)))]
    groups: dict[int, list[int]] = {}
    for place, example in enumerate(examples):
        start = example.arrays.get("decoder_input_ids")
        groups.setdefault(1 if start is None else len(start), []).append(place)
    return list(groups.values())


def room_of(module: nn.Module, example: Example) -> int:
    """New tokens that the model has positions for; 0 or below where the prompt is too long."""
    positions = position_count(module.config)
    if positions is None:
        return UNBOUNDED
    if encodes(module):
        read = example.arrays.get("decoder_input_ids")
    else:
        read = example.arrays["input_ids"]
    return positions - (1 if read is None else len(read))


def too_long(module: nn.Module, room: int) -> str:
    """What is wrong with a prompt that leaves no room."""
    positions = position_count(module.config) or 0
    return (
        f"the prompt has {positions - room} tokens, and the model has {positions} positions, "
        "which must hold the prompt and what is generated"
    )
