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
    instruction: str | None = option(
        None, automatic="to summarise the text in so many sentences",
        help="Of models with a chat template: what they are asked to do with the text.",
    )  # fmt: skip
