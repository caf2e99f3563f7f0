"""Sequences that a model generates: what is asked for, and how they grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.stops import StopStrings

Ending: TypeAlias = Literal["end", "stop", "length", "loop"]

SINKS = 4
"""Tokens at the beginning of a text that a bounded memory never lets go."""

SHORTEST = 16
"""Tokens that a bounded memory must hold, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """How sequences are generated.

    Attributes:
        most: the largest number of new tokens of a sequence.
        least: new tokens before which no sequence ends.
        temperature: divides the logits before sampling; 0 always takes the most probable token
            (greedy decoding).
        top_k: sample from so many of the most probable tokens only; 0 from all.
        top_p: sample from the smallest set of tokens whose probabilities add up to this (nucleus
            sampling, Holtzman et al. 2020, arXiv:1904.09751); 1 from all.
        seed: of sampling. What is drawn for a sequence depends on the seed, its record and its
            window alone, not on what it is batched with.
        end: ids of tokens that end a sequence; None takes the model's own. The token that ended a
            sequence is not part of it.
        stop: token sequences that end a sequence and are cut off its end.
        context: tokens of a decoder's prompt and what is generated that stay in its memory, at
            most; further ones take the place of those behind the first few. 0 keeps all, and what
            is longer than the model's positions fails.
        stop_strings: texts that end a sequence, which keeps its tokens; None where there are none.
        beams: sequences that are kept of each example (beam search); 1 is greedy decoding.
        length_penalty: of beam search, the power of a sequence's length that its score is divided
            by: above 0 for longer sequences, below for shorter ones.
        no_repeat: tokens of a sequence that does not come twice in what is generated; 0 for none.
        penalty: divides the logits of tokens that came already, where they are above 0, and
            multiplies those below (Keskar et al. 2019, arXiv:1909.05858); 1 for none.
        of_prompt: whether `no_repeat` and `penalty` count what is in a decoder's prompt.
        schema: a JSON schema that what is generated keeps to; empty for none.
        loops: what becomes of a sequence that says the same over and over: ``keep`` it, ``stop`` it
            after the first time, or ``retry`` it once with a penalty.

    Raises:
        ConfigurationError: what is out of range, all at once.
    """

    most: int = 128
    least: int = 0
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    end: tuple[int, ...] | None = None
    stop: tuple[tuple[int, ...], ...] = ()
    context: int = 0
    stop_strings: StopStrings | None = None
    beams: int = 1
    length_penalty: float = 1.0
    no_repeat: int = 0
    penalty: float = 1.0
    of_prompt: bool = False
    schema: str = ""
    loops: Literal["keep", "stop", "retry"] = "keep"

    def __post_init__(self) -> None:
        problems = []
        if self.most < 1:
            problems.append(f"most must be at least 1 new token, not {self.most}")
        if not 0 <= self.least <= max(self.most, 0):
            problems.append(f"least must be from 0 to most ({self.most}), not {self.least}")
        if self.temperature < 0:
            problems.append(f"temperature must be at least 0, not {self.temperature}")
        if self.top_k < 0:
            problems.append(f"top_k must be at least 0, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            problems.append(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if any(not each for each in self.stop):
            problems.append("stop must hold sequences of at least one token, not an empty one")
        if self.context and self.context < SHORTEST:
            problems.append(f"context must be at least {SHORTEST} tokens, not {self.context}")
        if self.stop_strings is not None and not all(self.stop_strings.strings):
            problems.append("stop must hold texts of at least one character, not an empty one")
        problems += self._wrong_search()
        if problems:
            raise ConfigurationError(problems)

    def _wrong_search(self) -> list[str]:
        problems = []
        if self.beams < 1:
            problems.append(f"beams must be at least 1, not {self.beams}")
        if self.beams > 1 and (self.temperature > 0 or self.stop or self.stop_strings):
            problems.append("beams must be 1 where tokens are drawn or stop sequences are given")
        if self.no_repeat < 0:
            problems.append(f"no_repeat must be at least 0, not {self.no_repeat}")
        if not 0 < self.penalty < float("inf"):
            problems.append(f"penalty must be above 0, not {self.penalty}")
        if self.beams > 1 and self.schema:
            problems.append("beams must be 1 where a schema is given")
        if self.beams > 1 and (self.penalty != 1 or self.loops != "keep"):
            problems.append("beams must be 1 where a penalty is given or loops are looked for")
        return problems


class Growth(NamedTuple):
    """The sequence of one example as far as it has grown.

    Attributes:
        row: place of the example among those that were given.
        tokens: ids of the new tokens, without the prompt.
        score: sum of the natural logarithms of the tokens' probabilities, before temperature and
            the other limits of sampling.
        ending: why the sequence is finished: ``end`` (a token that ends it), ``stop`` (a stop
            sequence), ``length`` (the largest number of new tokens), ``loop`` (it said the same
            over and over, and is cut after the first time); None while it grows.
        problem: why it failed, where it did; it does not grow any more.
        lost: tokens, of the prompt and generated, that the model did not see any more at its end.
        unread: tokens of the prompt that it never saw.
    """

    row: int
    tokens: NDArray[np.int32]
    score: float
    ending: Ending | None = None
    problem: str | None = None
    lost: int = 0
    unread: int = 0


def cut_at_stop(
    tokens: list[int], stop: tuple[tuple[int, ...], ...], start: int = 0
) -> list[int] | None:
    """The tokens before the stop sequence that they end with; None where they end with none.

    Args:
        tokens: as generated so far.
        stop: the sequences that end it.
        start: tokens that are kept whatever they are.
    """
    for each in stop:
        kept = len(tokens) - len(each)
        if kept >= start and tuple(tokens[kept:]) == each:
            return tokens[:kept]
    return None
