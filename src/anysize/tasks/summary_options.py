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
        None, low=1, high=10_000, unit="sentences", automatic="3",
        help="Sentences of a summary.",
    )  # fmt: skip
    diversity: float = option(
        0.3, low=0.0, high=1.0,
        help="Of rankings: how much it weighs that a sentence repeats one that is chosen.",
    )  # fmt: skip
