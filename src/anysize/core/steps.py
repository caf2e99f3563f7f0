"""What prediction does with the examples of a batch: one run of the model, or a generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.core.generation import SHORTEST, GenerationOptions, Growth
from anysize.core.protocols import Generator, Runtime

Ability: TypeAlias = Literal["run", "generate", "transcribe"]
"""What a step asks of a runtime; see ``core.protocols.Runtime`` and ``Generator``, and
``core.transcription.Transcriber``."""


class Answer(NamedTuple):
    """What a step gives for one example.

    Attributes:
        example: whose it is.
        output: arrays and numbers by name, for the merger; empty where there is a problem.
        finished: whether this is all; else more of the same output follows.
        problem: why there is no output; the record fails, others do not.
    """

    example: Example
    output: Mapping[str, Any]
    finished: bool = True
    problem: str | None = None


class Step(Protocol):
    """What is done with the examples of a batch. A task supplies it; the planner probes it.

    Immutable, hashable, and the same step has the same ``repr``: what a probe of it found is kept
    under that.

    Attributes:
        needs: what it asks of a runtime: ``run``, ``generate`` or ``transcribe``.
    """

    @property
    def needs(self) -> Ability: ...

    def cost(self, own: int) -> int:
        """What an example costs at its largest, in the unit of examples' own costs.

        Args:
            own: ``Example.cost``.
        """
        ...

    def answers(
        self, runtime: Any, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """One finished answer for each example, in any order, as they come.

        Args:
            runtime: that has what the step needs.
            examples: of a batch.
            partial: whether unfinished answers are wanted too.
        """
        ...

    def rehearse(self, runtime: Any, examples: Sequence[Example]) -> float | None:
        """Does what takes the memory and the time of ``answers`` for examples made up for it.

        Returns:
            The seconds that the real work would take, where that is not what this took.
        """
        ...


@runtime_checkable
class Quickened(Protocol):
    """A step with a cheaper form, which is what checkpoints are compared by in training."""

    def quick(self) -> Step:
        """The cheaper step."""
        ...


NO_NUMBER = (
    "the model's output is not a number (NaN or infinity): its weights are damaged, or the "
    "input has numbers far larger than it was trained on"
)
"""What is wrong with a record for which the model gives none."""


@dataclass(frozen=True, slots=True)
class OneRun:
    """The model runs each batch once."""

    needs: ClassVar[Ability] = "run"

    def cost(self, own: int) -> int:
        """The example's own."""
        return own

    def answers(
        self, runtime: Runtime, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """The outputs of each example; a problem where they are not finite."""
        outputs = runtime.run(examples)
        sound = outputs.finite()
        for row, example in enumerate(examples):
            if sound[row]:
                yield Answer(example, {**outputs.row(row), **example.aside})
            else:
                yield Answer(example, {}, problem=NO_NUMBER)

    def rehearse(self, runtime: Runtime, examples: Sequence[Example]) -> float | None:
        """Runs them."""
        runtime.run(examples)
        return None


ONE_RUN = OneRun()

RETRY_PENALTY = 1.3
"""Of tokens that came already, where a sequence that went round in a loop is generated again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The model generates a sequence for each example.

    An answer's output has ``tokens`` (int32, the new ones), ``score`` (the sum of their
    log-probabilities), ``ending`` (``end``, ``stop``, ``length``, ``loop``; None while it grows),
    ``retried`` (whether it was generated once more, because it went round in a loop) and, where
    there is ``decode``, ``text``.

    Args:
        options: how sequences are generated.
        per_unit: new tokens that an example may have for each unit of its own cost, where that
            allows fewer than ``options.most``; 0 for ``most`` always.
        spare: new tokens that it may have on top of these.
        token_cost: cost of a generated token: how many units of an example's own cost take as much
            memory as what the cache holds of one token. For text it is 1: the cache holds as much
            of a token of the prompt.
        decode: from token ids to what they say.
    """

    options: GenerationOptions = field(default_factory=GenerationOptions)
    per_unit: float = 0.0
    spare: int = 0
    token_cost: float = 1.0
    decode: Callable[[NDArray[np.int32]], str] | None = field(
        default=None, repr=False, compare=False
    )

    needs: ClassVar[Ability] = "generate"

    def new_tokens(self, own: int) -> int:
        """The largest number of new tokens of an example of that cost."""
        most = self.options.most
        if not self.per_unit:
            return most
        return max(min(most, int(np.ceil(self.per_unit * own)) + self.spare), self.options.least, 1)

    def cost(self, own: int) -> int:
        """The example's own cost and what the cache grows by until its end, for each beam."""
        whole = own + int(np.ceil(self.token_cost * self.new_tokens(own)))
        kept = min(whole, self.options.context) if self.options.context else whole
        return self.options.beams * kept

    def quick(self) -> Generation:
        """Greedy; see ``Quickened``."""
        return replace(self, options=replace(self.options, beams=1))

    def within(self, cost: int) -> Generation:
        """The same with a bound on what is kept of a prompt, so that it costs no more than that.

        Where there is no bound yet, the model cannot do with less, and where sequences are kept
        side by side, they are short.
        """
        context = self.options.context
        if not context or self.options.beams > 1 or context <= cost:
            return self
        return replace(self, options=replace(self.options, context=max(cost, SHORTEST)))

    def answers(
        self, runtime: Generator, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """The sequence of each example when it is finished; before that, where it is asked for."""
        looping: list[Example] = []
        limits = self._limits(examples)
        for growth in runtime.generate(examples, self.options, limits=limits, partial=partial):
            example = examples[growth.row]
            if growth.ending == "loop" and self.options.loops == "retry":
                looping.append(example)
                continue
            yield self._answer(example, growth)
        if not looping:
            return
        again = replace(
            self.options, loops="stop", penalty=max(self.options.penalty, RETRY_PENALTY)
        )
        limits = self._limits(looping)
        for growth in runtime.generate(looping, again, limits=limits, partial=partial):
            yield self._answer(looping[growth.row], growth, retried=True)

    def _answer(self, example: Example, growth: Growth, *, retried: bool = False) -> Answer:
        if growth.problem is not None:
            return Answer(example, {}, problem=growth.problem)
        output: dict[str, Any] = {
            "tokens": growth.tokens,
            "score": growth.score,
            "ending": growth.ending,
            "lost": growth.lost,
            "unread": growth.unread,
            "retried": retried,
            **example.aside,
        }
        if self.decode is not None:
            output["text"] = self._text(growth.tokens, growing=growth.ending is None)
        return Answer(example, output, finished=growth.ending is not None)

    def _text(self, tokens: NDArray[np.int32], *, growing: bool) -> str:
        assert self.decode is not None
        text, stops = self.decode(tokens), self.options.stop_strings
        if stops is None:
            return text
        return stops.shown(text) if growing else stops.cut(text)

    def rehearse(self, runtime: Generator, examples: Sequence[Example]) -> float | None:
        """Grows the caches to their full size; see ``core.protocols.Generator``."""
        limits = self._limits(examples)
        quick = getattr(runtime, "rehearse", None)
        if quick is not None:
            seconds: float | None = quick(examples, self.options, limits=limits)
            return seconds
        longest = replace(self.options, least=self.options.most, stop=(), stop_strings=None)
        for _ in runtime.generate(examples, longest, limits=limits):
            pass
        return None

    def _limits(self, examples: Sequence[Example]) -> list[int]:
        return [self.new_tokens(example.cost) for example in examples]


def generation_options(step: Step) -> GenerationOptions | None:
    """The options of a step that generates, or of the generation that it does; None without one."""
    found = getattr(getattr(step, "generation", step), "options", None)
    return found if isinstance(found, GenerationOptions) else None
