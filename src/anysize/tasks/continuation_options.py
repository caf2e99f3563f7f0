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


def _drawn(value: float, temperature: float) -> str | None:
    """The most probable token is the same whatever it would be drawn from."""
    if temperature or value in (0, 1):
        return None
    return "has no effect without a temperature: give one above 0, or leave it out"


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(Options):
    """How a language model continues prompts, and by what stride it is measured."""

    table: ClassVar[str] = "text-generation"
    together: ClassVar[tuple[Together, ...]] = (
        Together(("json_schema", "loops"), _no_retry),
        Together(("top_k", "temperature"), _drawn),
        Together(("top_p", "temperature"), _drawn),
    )

    max_new_tokens: int = option(
        128,
        low=1,
        unit="tokens",
        help="Tokens generated after a prompt, at most.",
    )
    temperature: float = option(
        0.0, low=0,
        help="Sampling temperature; 0 always takes the most probable token.",
    )  # fmt: skip
    top_k: int = option(
        0, low=0, help="Sample from this many of the most probable tokens; 0 samples from all."
    )
    top_p: float = option(
        1.0, above=0, high=1,
        help="Sample from the smallest set of tokens whose probabilities add up to this.",
    )  # fmt: skip
    seed: int = option(0, help="Random seed of sampling; records do not influence each other.")
    stop: tuple[str, ...] = option(
        (), help="Texts at which generation stops; they are not part of the result."
    )
    context: int | None = option(
        None, low=SHORTEST, unit="tokens", automatic="as many as the model has positions",
        help="Tokens of a prompt and its continuation that the model attends to; of longer ones "
        "the first few and the last.",
    )  # fmt: skip
    stride: int | None = option(
        None, low=1, unit="tokens", automatic="half the window",
        help="In evaluation, new tokens that each window predicts; the tokens before them are "
        "context.",
    )  # fmt: skip
    chat: bool | None = option(
        None, automatic="where the model has a chat template",
        help="Give prompts to the model as messages of a user, by its chat template.",
    )  # fmt: skip
    system: str | None = option(
        None, filled=True,
        help="System prompt.",
    )  # fmt: skip
    repetition_penalty: float = option(
        1.0, above=0,
        help="Values above 1 make tokens less likely that are already in the prompt or the text.",
    )  # fmt: skip
    no_repeat_ngram: int = option(
        0, low=0, unit="tokens",
        help="No sequence of this many tokens occurs twice, including the prompt; 0 turns it off.",
    )  # fmt: skip
    json_schema: str | None = option(
        None, filled=True, metavar="FILE",
        help="A JSON schema, or a file with one, that every result follows.",
    )  # fmt: skip
    loops: str = option(
        "stop", choices=("keep", "stop", "retry"),
        help="When the model repeats itself endlessly: keep the text, stop after the first "
        "repetition, or retry once with a repetition penalty.",
    )  # fmt: skip
