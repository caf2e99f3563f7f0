"""Changes of texts, as they stream: the same ones however the characters come."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draws, rows
from anysize.augmentation.operations import Canvas, Operation
from anysize.augmentation.steps import Step
from anysize.core.errors import ConfigurationError
from anysize.core.records import TextField

Change: TypeAlias = Callable[[Iterator[str]], Iterator[str]]
"""Characters in order to other characters; the same ones in each pass."""

BLOCK = 4096
"""Characters that are changed at once, counted from the beginning."""


@dataclass(frozen=True, kw_only=True)
class TextStep(Step):
    """A step that changes the characters of a text."""

    content: ClassVar[str] = "texts"
    fuses: ClassVar[str] = "characters"

    @abstractmethod
    def change(self, draws: Draws) -> Change | None:
        """What is done to one text; None does nothing.

        Args:
            draws: this step's random numbers; all of them are drawn here.
        """

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Operation, ...]:
        """See ``Step``.

        Raises:
            ConfigurationError: always: there is no picture to change.
        """
        raise ConfigurationError(f"augment: {self.name} changes texts, not pictures")


class Paraphrases(Protocol):
    """Texts that say what others say. Safe to read from several threads."""

    def of(self, record: str, text: TextField) -> TextField | None:
        """What may stand in the place of a record's text; None where nothing may.

        Args:
            record: its id.
            text: its own.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Rewriting(TextStep):
    """A step that puts a whole other text in the place of one; it comes first.

    Attributes:
        paraphrases: what it puts there; None until they are made (`having`).
        there, back: folders of the models that make them.
    """

    paraphrases: ClassVar[Paraphrases | None] = None
    there: str
    back: str

    def having(self, paraphrases: Paraphrases) -> Self:
        """The step with what it puts in the place of texts."""
        found = dataclasses.replace(self)
        object.__setattr__(found, "paraphrases", paraphrases)
        return found

    def change(self, draws: Draws) -> Change | None:
        """None: the characters stay as they are."""
        return None

    @abstractmethod
    def rewritten(self, text: TextField, record: str, draws: Draws) -> TextField:
        """A record's text, or what stands in its place.

        Raises:
            ConfigurationError: the step has no paraphrases.
        """


class TextChanges:
    """The steps of an augmentation, for texts.

    What is done depends on the seed, the epoch and the record's id.

    Args:
        steps: in order.
        seed: of the run.

    Raises:
        ConfigurationError: a step is not for texts.
    """

    def __init__(self, steps: Sequence[Step], seed: int) -> None:
        self._steps = tuple(steps)
        self._seed = seed
        problems = [
            f"augment: {step.name} does not change texts"
            for step in steps
            if not isinstance(step, TextStep)
        ]
        problems += [
            f"augment: {step.name} must come first, because it puts another text in the place of "
            f"the one that the data have: '{step.name}(…), {steps[0].name}'"
            for step in steps[1:]
            if isinstance(step, Rewriting)
        ]
        if problems:
            raise ConfigurationError(problems)

    def changed(self, text: TextField, epoch: int, record: str) -> TextField:
        """A record's text as it comes in an epoch."""
        drawn = rows((self._seed, epoch, record, 0), len(self._steps))
        if self._steps and isinstance(first := self._steps[0], Rewriting):
            text = first.rewritten(text, record, drawn[0])
        changes = [
            change
            for step, draws in zip(self._steps, drawn, strict=True)
            if isinstance(step, TextStep) and (change := step.change(draws)) is not None
        ]
        return ChangedText(text, changes) if changes else text


class ChangedText:
    """A text field whose characters are changed while they are read.

    Offsets count the characters of the changed text.

    Args:
        text: as it is.
        changes: in order.
    """

    def __init__(self, text: TextField, changes: Sequence[Change]) -> None:
        self._text = text
        self._changes = tuple(changes)

    @property
    def origin(self) -> str:
        return self._text.origin

    @property
    def size_hint(self) -> int:
        """An upper bound: a step adds a character to each at most."""
        return self._text.size_hint << len(self._changes)

    def chunks(self) -> Iterator[str]:
        """See ``TextField``."""
        chunks = self._text.chunks()
        for change in self._changes:
            chunks = change(chunks)
        return chunks

    def read(self, start: int, stop: int) -> str:
        """See ``TextField``; what comes before is read and changed too."""
        parts, place = [], 0
        for chunk in self.chunks():
            if place >= stop:
                break
            parts.append(chunk[max(start - place, 0) : stop - place])
            place += len(chunk)
        return "".join(parts)


def blocks(chunks: Iterable[str]) -> Iterator[str]:
    """The characters in pieces of about `BLOCK`, which end behind white space where they can.

    The pieces do not depend on how the characters come.
    """
    held = ""
    for chunk in chunks:
        held += chunk
        while len(held) > BLOCK:
            cut = next(
                (place + 1 for place in range(BLOCK - 1, BLOCK // 2, -1) if held[place].isspace()),
                BLOCK,
            )
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


class Chances:
    """Random numbers of the places of a text, drawn in its order.

    Args:
        seed: fixes them.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.Generator(np.random.SFC64(seed))

    def take(self, count: int) -> NDArray[np.float64]:
        """Numbers in [0, 1), ``[count]``."""
        return self._random.random(count)
