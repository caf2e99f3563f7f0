"""What a user may ask of summaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Options, option


@dataclass(frozen=True, kw_only=True)
class SummaryOptions(Options):
    """How summaries are made."""

    table: ClassVar[str] = "summarization"

    sentences: int | None = option(
        None, low=1, high=10_000, unit="sentences",
        automatic="3 of the text's own; else what the model writes",
        help="Sentences of a summary, at most.",
    )  # fmt: skip
    diversity: float = option(
        0.3, low=0.0, high=1.0,
        help="Of rankings: how much it weighs that a sentence repeats one that is chosen.",
    )  # fmt: skip
    max_new_tokens: int | None = option(
        None, low=1, high=100_000, unit="tokens", automatic="the model's own, else 128",
        help="Of models that write: tokens of a summary, at most.",
    )  # fmt: skip
    beams: int | None = option(
        None, low=1, high=64, automatic="the model's own, else 1",
        help="Of models that write: sequences that beam search keeps; 1 is greedy decoding.",
    )  # fmt: skip
    length_penalty: float | None = option(
        None, low=-10, high=10, automatic="the model's own, else 1",
        help="Of models that write: power of the length that scores of beam search are divided "
        "by: above 1 for longer summaries.",
    )  # fmt: skip
    no_repeat: int | None = option(
        None, low=0, high=100, unit="tokens", automatic="the model's own, else 0",
        help="Of models that write: tokens in a row that do not come twice in a summary; 0 for "
        "no such rule.",
    )  # fmt: skip
    instruction: str | None = option(
        None, automatic="to summarise the text in so many sentences",
        help="Of models with a chat template: what they are asked to do with the text.",
    )  # fmt: skip
