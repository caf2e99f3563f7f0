"""Steps that change how texts are written, and not what they say: slips, gaps, capital letters.

None of them needs to know the language: no word is replaced by another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from anysize.augmentation.draws import Draws
from anysize.augmentation.parameters import Range, span, whole, word
from anysize.augmentation.steps import CHANCE, Step
from anysize.augmentation.texts import Chances, Change, TextStep, blocks

PROVIDES = ("drop_words", "letter_case", "typos")

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# Characters that are written without spaces between words are words of their own.
_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    "|[^\\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_KINDS = ("lower", "upper", "title")


def _neighbours() -> dict[str, str]:
    """The keys beside each letter on the usual keyboard, and those above and below."""
    found = {}
    for number, row in enumerate(_ROWS):
        for place, letter in enumerate(row):
            near = row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
            if number:
                near += _ROWS[number - 1][place : place + 2]
            if number + 1 < len(_ROWS):
                below = _ROWS[number + 1]
                near += below[max(place - 1, 0) : place + 1]
            found[letter] = near
            found[letter.upper()] = near.upper()
    return found


_NEAR = _neighbours()


@dataclass(frozen=True, kw_only=True)
class Typos(TextStep):
    """Slips of the hand: a key beside the right one, two letters swapped, one left out or doubled.

    Letters of other alphabets, and Chinese characters, are swapped, left out or doubled.
    """

    name: ClassVar[str] = "typos"
    share: Range = field(
        default=Range(0.0, 0.04), metadata=span("part of the letters and digits", 0, 0.5)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        share, seed = self.share.at(draws.uniform()), draws.integer(2**53)

        def run(chunks: Iterator[str]) -> Iterator[str]:
            chances = Chances(seed)
            for block in blocks(chunks):
                yield slipped(block, share, chances)

        return run if share else None


def slipped(text: str, share: float, chances: Chances) -> str:
    """A text with slips; nothing is left out where it would be empty then.

    Args:
        text: any.
        share: part of the letters and digits.
        chances: two numbers a character are taken.
    """
    where, how = chances.take(len(text)), chances.take(len(text))
    found: list[str] = []
    place, count = 0, len(text)
    for chosen in (where < share).nonzero()[0].tolist():
        letter = text[chosen]
        if chosen < place or not letter.isalnum():
            continue
        found.append(text[place:chosen])
        place = chosen + 1
        near = _NEAR.get(letter, "")
        # With a neighbouring key there are four kinds of slips, else three.
        kind, part = divmod(how[chosen] * (4 if near else 3), 1.0)
        if kind == 3:
            found.append(near[int(part * len(near))])
        elif kind == 0 and place < count and text[place].isalnum():
            found.append(text[place] + letter)
            place += 1
        elif kind == 1:
            found.append(letter * 2)
        # Else it is left out.
    found.append(text[place:])
    return "".join(found) if any(part.strip() for part in found) else text


@dataclass(frozen=True, kw_only=True)
class DropWords(TextStep):
    """Leaves out spans of neighbouring words; of Chinese and Japanese, of characters."""

    name: ClassVar[str] = "drop_words"
    share: Range = field(default=Range(0.0, 0.15), metadata=span("part of the words", 0, 0.9))
    longest: int = field(default=3, metadata=whole("words of a span, at most", 1, 50))
    p: float = field(default=1.0, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        share, seed = self.share.at(draws.uniform()), draws.integer(2**53)
        longest = self.longest

        def run(chunks: Iterator[str]) -> Iterator[str]:
            chances = Chances(seed)
            for block in blocks(chunks):
                yield gapped(block, share, longest, chances)

        return run if share else None


def gapped(text: str, share: float, longest: int, chances: Chances) -> str:
    """A text without some spans of words; at least one word is left.

    Args:
        text: any.
        share: part of the words that is left out, on average.
        longest: words of a span.
        chances: two numbers a word are taken.
    """
    words = list(_WORD.finditer(text))
    begins, lengths = chances.take(len(words)), chances.take(len(words))
    # A span is (longest + 1) / 2 words long on average, and begins behind the one before.
    mean = (longest + 1) / 2
    begin = share / (mean - share * (mean - 1))
    found: list[str] = []
    place = left = kept = 0
    for number, match in enumerate(words):
        if not left and begins[number] < begin:
            left = 1 + int(lengths[number] * longest)
        if not left:
            kept += 1
            continue
        left -= 1
        found.append(text[place : match.start()])
        # The space behind goes too, so that there are not two.
        place = match.end()
        if place < len(text) and text[place] == " ":
            place += 1
    found.append(text[place:])
    return "".join(found) if kept else text


@dataclass(frozen=True, kw_only=True)
class LetterCase(TextStep):
    """Writes a whole text in small letters, in capitals, or each word with a capital."""

    name: ClassVar[str] = "letter_case"
    kind: str = field(default="any", metadata=word("any draws one of the others", (*_KINDS, "any")))
    p: float = field(default=0.2, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        kind = _KINDS[draws.integer(len(_KINDS))] if self.kind == "any" else self.kind

        def run(chunks: Iterator[str]) -> Iterator[str]:
            # Words are not cut between blocks, which have their place from the beginning.
            return (getattr(block, kind)() for block in blocks(chunks))

        return run


STEPS: tuple[type[Step], ...] = (DropWords, LetterCase, Typos)
