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
        automatic="3 for extracted summaries; written ones have no limit",
        help="Sentences of a summary, at most.",
    )  # fmt: skip
    diversity: float = option(
        0.3, low=0.0, high=1.0,
        help="For extracted summaries: penalty for sentences that repeat one already chosen.",
    )  # fmt: skip
    max_new_tokens: int | None = option(
        None, low=1, high=100_000, unit="tokens", automatic="the model's own, else 128",
        help="For generating models: tokens of a summary, at most.",
    )  # fmt: skip
    beams: int | None = option(
        None, low=1, high=64, automatic="the model's own, else 1",
        help="For generating models: beam size; 1 is greedy decoding.",
    )  # fmt: skip
    length_penalty: float | None = option(
        None, low=-10, high=10, automatic="the model's own, else 1",
        help="For generating models: exponent of the length by which beam scores are divided; "
        "higher values give longer summaries.",
    )  # fmt: skip
    no_repeat: int | None = option(
        None, low=0, high=100, unit="tokens", automatic="the model's own, else 0",
        help="For generating models: no sequence of this many tokens occurs twice in a summary; "
        "0 turns it off.",
    )  # fmt: skip
    instruction: str | None = option(
        None, automatic="to summarise the text in that many sentences",
        help="For models with a chat template: the instruction that comes with the text.",
    )  # fmt: skip
