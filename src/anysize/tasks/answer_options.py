"""Options of question answering: how many answers, how long, and when there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Options, option


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(Options):
    """Which answers are given."""

    table: ClassVar[str] = "question-answering"

    question: str | None = option(
        None, filled=True, automatic="each record's own",
        help="One question for every input, instead of a column of questions.",
    )  # fmt: skip
    top_k: int = option(
        1, low=1, high=100,
        help="Number of answers, the most probable first; they do not overlap.",
    )  # fmt: skip
    longest_answer: int = option(
        30, low=1, high=1000, unit="tokens", help="Tokens of an answer, at most."
    )
    no_answer_threshold: float | None = option(
        None, automatic="chosen on the validation data; without one, an answer is always given",
        help="An answer is given if its logits exceed those of 'no answer' by more than this.",
    )  # fmt: skip
