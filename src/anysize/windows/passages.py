"""A text as a stream of passages: whole sentences one after the other, as many as fit.

The cores of the passages partition the text, so that a summary of each of them has read all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from anysize.core.errors import ConfigurationError
from anysize.core.records import TextField
from anysize.core.windows import Span
from anysize.windows.sentences import LONGEST, sentences

# White space between sentences that a passage keeps: more of it says nothing.
_MOST_SPACE = 64


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text, or a piece of one that is too long.

    Attributes:
        start: its first character, counted from the beginning of the text.
        text: its characters.
        space: white space that follows, up to the next sentence.
        piece: whether it is only a piece of a sentence.
    """

    start: int
    text: str
    space: str = ""
    piece: bool = False

    @property
    def stop(self) -> int:
        """The character after its last."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Passage:
    """Sentences that are read together.

    Attributes:
        sentences: in order; none in a text that has none.
        core: the characters from the first of the sentences to that of the next passage; together
            they are the whole text.
        last: whether the text ends with it.
    """

    sentences: tuple[Sentence, ...]
    core: Span
    last: bool

    @property
    def text(self) -> str:
        """The sentences with what is between them."""
        return _joined(self.sentences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passages:
    """Cuts texts into passages; memory does not grow with the text.

    Attributes:
        most: what a passage may take.
        size: what a text takes, in the same unit (its tokens).
        sentences: how many sentences a passage may have.
        longest: characters of the longest sentence; a longer one is cut into pieces, as is one that
            takes more than ``most``.

    Raises:
        ConfigurationError: ``most``, ``sentences`` or ``longest`` breaks its rule.
    """

    most: int
    size: Callable[[str], int]
    sentences: int = 1 << 16
    longest: int = LONGEST

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least {least}, not {value}"
            for name, value, least in (
                ("most", self.most, 1),
                ("sentences", self.sentences, 1),
                ("longest", self.longest, 32),
            )
            if value < least
        ]
        if problems:
            raise ConfigurationError(problems)

    def stream(self, text: TextField) -> Iterator[Passage]:
        """The passages of a text, in order; at least one.

        Raises:
            DataError: the text cannot be read.
        """
        held: list[tuple[Sentence, int]] = []
        begin = used = end = 0
        for sentence, extent in self._sentences(text):
            end = extent
            if sentence is None:
                continue
            cost = self.size(sentence.text + sentence.space)
            if held and (used + cost > self.most or len(held) == self.sentences):
                own, held = self._fitting(held)
                stop = held[0][0].start if held else sentence.start
                yield Passage(own, Span(begin, stop), last=False)
                begin, used = stop, sum(each for _, each in held)
            held.append((sentence, cost))
            used += cost
        while True:
            own, held = self._fitting(held)
            stop = held[0][0].start if held else end
            yield Passage(own, Span(begin, stop), last=not held)
            if not held:
                return
            begin = stop

    def _fitting(
        self, held: list[tuple[Sentence, int]]
    ) -> tuple[tuple[Sentence, ...], list[tuple[Sentence, int]]]:
        """The first sentences that fit together, and the rest.

        Side by side they may take more than one by one.
        """
        count = len(held)
        while count > 1 and self.size(_joined([each for each, _ in held[:count]])) > self.most:
            count -= 1
        return tuple(each for each, _ in held[:count]), held[count:]

    def _sentences(self, text: TextField) -> Iterator[tuple[Sentence | None, int]]:
        """Each sentence with where its white space ends; None where there is only that."""
        before: Sentence | None = None
        end = 0
        for part in sentences(text.chunks(), longest=self.longest):
            end = part.stop
            if part.kind != "sentence":
                if before is not None and len(before.space) < _MOST_SPACE:
                    space = before.space + part.text[:_MOST_SPACE]
                    before = Sentence(before.start, before.text, space, before.piece)
                continue
            if before is not None:
                yield before, part.start
            pieces = list(self._pieces(part.start, part.text))
            for piece in pieces[:-1]:
                yield piece, piece.stop
            last = pieces[-1]
            before = Sentence(last.start, last.text, "", last.piece or part.continues)
        if before is not None:
            yield before, end
        elif end:
            yield None, end

    def _pieces(self, start: int, text: str) -> Iterator[Sentence]:
        """The sentence, or halves of halves of it that are small enough."""
        if len(text) < 2 or self.size(text) <= self.most:
            yield Sentence(start, text)
            return
        middle = len(text) // 2
        cut = text.rfind(" ", middle // 2, middle) + 1 or middle
        for piece in (*self._pieces(start, text[:cut]), *self._pieces(start + cut, text[cut:])):
            yield Sentence(piece.start, piece.text, piece.space, piece=True)


def _joined(some: tuple[Sentence, ...] | list[Sentence]) -> str:
    return "".join(each.text + each.space for each in some)
