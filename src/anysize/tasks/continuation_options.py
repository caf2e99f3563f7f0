"""How a language model continues prompts: its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.generation import SHORTEST
from anysize.core.options import Options, Together, option


def _no_retry(json_schema: str | None, loops: str) -> str | None:
    """What JSON repeats is the schema's business: loops are not looked for beside one."""
    if json_schema is None or loops != "retry":
        return None
    return "is given, so that loops=retry has no effect: leave it out, and bound arrays by maxItems"


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(Options):
    """How a language model continues prompts, and by what stride it is measured."""

    table: ClassVar[str] = "text-generation"
    together: ClassVar[tuple[Together, ...]] = (Together(("json_schema", "loops"), _no_retry),)

    max_new_tokens: int = option(
        128,
        low=1,
        unit="tokens",
        help="The most tokens that a prompt is continued by.",
    )
    temperature: float = option(
        0.0, low=0,
        help="Divides the logits before a token is drawn; 0 takes the most probable one.",
    )  # fmt: skip
    top_k: int = option(
        0, low=0, help="Draw from so many of the most probable tokens only; 0 from all."
    )
    top_p: float = option(
        1.0, above=0, high=1,
        help="Draw from the fewest tokens whose probabilities add up to this.",
    )  # fmt: skip
    seed: int = option(0, help="Of what is drawn; each record draws by itself.")
    stop: tuple[str, ...] = option(
        (), help="Texts at which a continuation ends; they are no part of it."
    )
    context: int | None = option(
        None, low=SHORTEST, unit="tokens", automatic="as many as the model has positions",
        help="Tokens of a prompt and its continuation that the model keeps in memory; beyond that "
        "it keeps the first few and the last.",
    )  # fmt: skip
    stride: int | None = option(
        None, low=1, unit="tokens", automatic="half the window",
        help="In evaluation, tokens that a window predicts; what it reads beside them is context.",
    )  # fmt: skip
    chat: bool | None = option(
        None, automatic="where the model has a chat template",
        help="Put prompts to the model as what a user says, through its chat template.",
    )  # fmt: skip
    system: str | None = option(
        None, filled=True,
        help="What the model is told before the conversation (its system prompt).",
    )  # fmt: skip
    repetition_penalty: float = option(
        1.0, above=0,
        help="Above 1, tokens that came already, in the prompt too, become less likely.",
    )  # fmt: skip
    no_repeat_ngram: int = option(
        0, low=0, unit="tokens",
        help="No sequence of so many tokens comes twice, the prompt counted; 0 allows it.",
    )  # fmt: skip
    json_schema: str | None = option(
        None, filled=True, metavar="FILE",
        help="A file with a JSON schema (or the schema) that every continuation keeps to.",
    )  # fmt: skip
    loops: str = option(
        "stop", choices=("keep", "stop", "retry"),
        help="Where a continuation says the same over and over: keep it, stop it after the first "
        "time, or retry it once with a penalty for repetitions.",
    )  # fmt: skip
