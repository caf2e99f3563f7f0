"""Segments to their translations, with a second try for those that look wrong."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.core.protocols import Generator
from anysize.core.steps import Ability, Answer, Generation
from anysize.tasks.translation_guard import problems, protected

_NO_REPEAT = 3
_BEAMS = 4


class _Try(NamedTuple):
    """A translation of a segment.

    Attributes:
        text: of it.
        problems: what is wrong with it.
    """

    text: str
    problems: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Translating:
    """Generates the translations of a batch.

    A segment that looks wrong (``translation_guard``) is translated once more with a search that
    repeats nothing, and where it lost an address, a placeholder, a tag or a number, in the
    fragments between these, which are then copied. The try with the fewest problems is taken, and
    its problems are noted.

    Args:
        generation: how sequences are generated; with ``decode``.
        encode: from a text to the arrays of its example.
        guard: whether anything is looked for at all.
    """

    generation: Generation
    encode: Callable[[str], dict[str, NDArray[Any]]] = field(repr=False, compare=False)
    guard: bool = True

    needs: ClassVar[Ability] = "generate"

    def cost(self, own: int) -> int:
        """See ``core.steps.Step``."""
        return self.generation.cost(own)

    def rehearse(self, runtime: Generator, examples: Sequence[Example]) -> float | None:
        """See ``core.steps.Step``."""
        return self.generation.rehearse(runtime, examples)

    def quick(self) -> Translating:
        """Greedy, with one try; see ``core.steps.Quickened``."""
        options = replace(self.generation.options, beams=1)
        return replace(self, generation=replace(self.generation, options=options), guard=False)

    def answers(
        self, runtime: Generator, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """Finished translations; partial ones are not shown, since they may be replaced."""
        doubtful: list[tuple[Example, _Try]] = []
        for answer in self._generated(runtime, examples, self.generation):
            if answer.problem is not None:
                yield answer
                continue
            found = self._judged(answer)
            if found.problems:
                doubtful.append((answer.example, found))
            else:
                yield _answer(answer.example, found)
        if doubtful:
            yield from self._again(runtime, doubtful)

    def _again(
        self, runtime: Generator, doubtful: Sequence[tuple[Example, _Try]]
    ) -> Iterator[Answer]:
        options = replace(
            self.generation.options, beams=max(self.generation.options.beams, _BEAMS),
            no_repeat=_NO_REPEAT,
        )  # fmt: skip
        again = replace(self.generation, options=options)
        by_place = {id(example): place for place, (example, _) in enumerate(doubtful)}
        tries = [[found] for _, found in doubtful]
        examples = [example for example, _ in doubtful]
        for answer in self._generated(runtime, examples, again):
            if answer.problem is None:
                tries[by_place[id(answer.example)]].append(self._judged(answer))
        for example, made in zip(examples, tries, strict=True):
            source, in_fragments = _source(example), False
            best = min(made, key=lambda each: len(each.problems))
            if any(each.startswith("lost ") for each in best.problems):
                pieced = self._in_fragments(runtime, example, source)
                if pieced is not None and len(pieced.problems) < len(best.problems):
                    best, in_fragments = pieced, True
            yield _answer(example, best, tried_again=True, in_fragments=in_fragments)

    def _in_fragments(self, runtime: Generator, example: Example, source: str) -> _Try | None:
        """What is between protected stretches translated by itself, and these copied."""
        pieces = fragments(source)
        asked = [piece for piece, kept in pieces if not kept]
        made = [
            replace(example, arrays=arrays, cost=len(arrays["input_ids"]))
            for arrays in map(self.encode, asked)
        ]
        texts: dict[int, str] = {}
        for answer in self._generated(runtime, made, self.generation):
            if answer.problem is not None:
                return None
            texts[next(at for at, one in enumerate(made) if one is answer.example)] = str(
                answer.output["text"]
            ).strip()
        translated = (texts[place] for place in range(len(asked)))
        text = "".join(
            piece if kept else _framed(piece, next(translated)) for piece, kept in pieces
        )
        return _Try(text, problems(source, text))

    def _generated(
        self, runtime: Generator, examples: Sequence[Example], generation: Generation
    ) -> Iterator[Answer]:
        asked = [example for example in examples if _source(example)]
        for example in examples:
            if not _source(example):
                yield Answer(example, {"text": "", "ending": "end"})
        if asked:
            yield from generation.answers(runtime, asked)

    def _judged(self, answer: Answer) -> _Try:
        source, text = _source(answer.example), str(answer.output["text"]).strip()
        if _plain(text) == _plain(source):
            text = source  # its white space and the form of its characters too
        if not self.guard or not source:
            return _Try(text, [])
        return _Try(text, problems(source, text, ended=answer.output["ending"] == "end"))


def fragments(source: str) -> list[tuple[str, bool]]:
    """A segment in pieces, each with whether it is copied: protected stretches and numbers are."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, stop in protected(source, numbers=True):
        pieces += [(source[at:start], False), (source[start:stop], True)]
        at = stop
    pieces.append((source[at:], False))
    # Without a letter there is nothing to translate.
    return [(text, kept or not any(map(str.isalpha, text))) for text, kept in pieces if text]


def _plain(text: str) -> list[str]:
    return unicodedata.normalize("NFC", text).split()


def _framed(source: str, text: str) -> str:
    """A fragment's translation with the white space of the fragment around it."""
    before = source[: len(source) - len(source.lstrip())]
    after = source[len(source.rstrip()) :]
    return f"{before}{text}{after}"


def _source(example: Example) -> str:
    found = example.aside.get("source")
    # Examples of a probe have none, and are generated from all the same.
    return "?" if found is None else str(found)


def _answer(
    example: Example, found: _Try, *, tried_again: bool = False, in_fragments: bool = False
) -> Answer:
    return Answer(
        example,
        {
            "text": found.text,
            "problems": tuple(found.problems),
            "tried_again": tried_again,
            "in_fragments": in_fragments,
            "before": example.aside.get("before", np.array("")),
            "after": example.aside.get("after", np.array("")),
        },
    )
