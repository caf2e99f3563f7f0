"""Paragraphs and sentences of a text of any length, as a stream, with exact places.

The parts of a text in order are the text, character for character: sentences, and what is between
them. Each decision looks at the sentence so far and a bounded stretch after it, so the time is
linear in the length of the text, memory does not grow with it, and the parts do not depend on how
the text came in pieces.

The rules are for English, German, Chinese and what is written like them: abbreviations, initials,
ordinals ("am 3. Mai"), decimals, addresses, ellipses, brackets, quotes with what they are
followed by (``“Is it?” she asked.``), lines that are wrapped and lines that are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from anysize.core.errors import ConfigurationError
from anysize.windows.sentence_ends import AHEAD, Quotes, ends_sentence

Kind: TypeAlias = Literal["sentence", "space", "line", "paragraph"]
"""``sentence``, or white space: ``space`` inside a paragraph, the end of a ``line`` that is not
wrapped, or the end of a ``paragraph`` (a blank line)."""

Lines: TypeAlias = Literal["auto", "separate", "wrapped"]
"""What the end of a single line means: ``separate`` sentences, ``wrapped`` text, or ``auto``: it is
taken for wrapped where the line has no end of a sentence and is long or goes on in lower case."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text.

    Attributes:
        kind: see `Kind`.
        start: its first character, counted from the beginning of the text.
        text: the characters; white space has no other ones, a sentence none at its ends.
        continues: whether it goes on with the sentence before, which was too long for one part.
    """

    kind: Kind
    start: int
    text: str
    continues: bool = False

    @property
    def stop(self) -> int:
        """The character after its last."""
        return self.start + len(self.text)


LONGEST = 2000
"""Characters of the longest part, unless said otherwise."""

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_WHITE = re.compile(r"\s+")
_LINE_END = re.compile(f"\r\n|[{_LINE_ENDS}]")
_MARKS = re.compile(
    r"(?P<stop>[.!?…‽。！？｡．।॥؟۔։።။។]+)"
    f"|(?P<line>[{_LINE_ENDS}])"
    r"|(?P<open>[(\[（［【〔《]|<(?=[a-zA-Z/]))"
    r"|(?P<quote>[\"„“”‟「」『』«»])"
)
# Where a sentence that is too long may be cut: best first.
_CLAUSES = (
    re.compile(r"[;:；：](?=\s|[^\x00-\u2fff])|[；：]|\s[–—-](?=\s)|—"),
    re.compile(r"[,，、،](?=\s|[^\x00-\u2fff])|[，、]"),
    re.compile(r"(?=\s)(?<=\S)"),
)
# What a character that is shown as part of the one before begins with: combining marks, joiners,
# variation selectors, skin tones.
_JOINED = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u093a-\u094f"
    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d"
    r"\u20d0-\u20ff\u3099\u309a\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]"
)
_CLOSED = re.compile(r"[)\]）］】〕》>]|\n\s{0,8}\n")
_LIST_MARK = re.compile(r"(?:[-*+•‣◦#>|~=]|\d{1,3}[.)]\s|[a-zA-Z][.)]\s|```)")
_WRAPPED_FROM = 50
_WRAPPED_FROM_UNSPACED = 20


def sentences(
    chunks: Iterable[str], *, longest: int = LONGEST, lines: Lines = "auto"
) -> Iterator[Part]:
    """The parts of a text in order.

    Args:
        chunks: the text in pieces of any size (``TextField.chunks()``), or ``[text]``.
        longest: characters that a part may have, at least 32. A longer sentence is cut at clauses,
            else between words, else between characters.
        lines: what the end of a line means.

    Raises:
        ConfigurationError: ``longest`` or ``lines`` breaks its rule.
    """
    return SentenceSplitter(longest=longest, lines=lines).split(chunks)


class _Brackets:
    """Where what is in brackets ends: there is no end of a sentence inside, unless far away."""

    __slots__ = ("_looked", "inside")

    def __init__(self) -> None:
        self.inside = self._looked = 0

    def open(self, text: str, at: int) -> None:
        """A bracket opens before a place."""
        if at < self._looked:
            return
        found = _CLOSED.search(text, at, at + AHEAD)
        if found is None:
            self._looked = at + AHEAD
        elif found.group()[0] != "\n":
            self.inside = self._looked = found.end()


class SentenceSplitter:
    """Splits texts; see `sentences`, which has the same arguments.

    Attributes:
        looked: how many characters were looked at until now; at most a small multiple of those
            that were given.
    """

    def __init__(self, *, longest: int = LONGEST, lines: Lines = "auto") -> None:
        problems = []
        if longest < 32:
            problems.append(f"longest must be at least 32 characters, not {longest}")
        if lines not in ("auto", "separate", "wrapped"):
            problems.append(f"lines must be auto, separate or wrapped, not {lines!r}")
        if problems:
            raise ConfigurationError(problems)
        self._longest, self._lines = longest, lines
        self.looked = 0

    def split(self, chunks: Iterable[str]) -> Iterator[Part]:
        """The parts of one text, in order."""
        quotes = Quotes()
        continues = False
        for start, text, at in self._windows(chunks):
            kind: Kind
            if text[at].isspace():
                kind, stop, cut = *self._white(text, at), continues
                if kind in ("line", "paragraph"):
                    cut = False
                if kind == "paragraph":
                    quotes = Quotes()
                yield Part(kind, start, text[at:stop])
            else:
                stop, cut = self._sentence(text, at, quotes)
                yield Part("sentence", start, text[at:stop], continues)
            continues = cut
            self._stop = stop

    def _windows(self, chunks: Iterable[str]) -> Iterator[tuple[int, str, int]]:
        """Where the next part begins: in the whole text, and in the text at hand.

        After each, ``_stop`` says where in the text at hand the part ends.
        """
        source = iter(chunks)
        wanted = self._longest + AHEAD
        text, at, start, more = "", 0, 0, True
        while True:
            if more and len(text) - at < wanted:
                held = [text[at:]]
                size = len(held[0])
                # Doubled, so that what is copied stays in proportion to what is read.
                while more and size < 2 * wanted:
                    chunk = next(source, None)
                    if chunk is None:
                        more = False
                    else:
                        held.append(chunk)
                        size += len(chunk)
                text, at = "".join(held), 0
            if at >= len(text):
                return
            yield start, text, at
            start += self._stop - at
            at = self._stop

    def _white(self, text: str, at: int) -> tuple[Kind, int]:
        """The kind of the white space that begins at a place, and where it ends."""
        found = _WHITE.match(text, at, at + self._longest)
        assert found is not None
        self.looked += found.end() - at
        ends = len(_LINE_END.findall(found.group()))
        if ends > 1:
            return "paragraph", found.end()
        return ("line" if ends and self._lines != "wrapped" else "space"), found.end()

    def _sentence(self, text: str, at: int, quotes: Quotes) -> tuple[int, bool]:
        """Where the sentence ends, and whether it was cut there."""
        limit = min(at + self._longest, len(text))
        before, brackets, line = quotes.copy(), _Brackets(), at
        for mark in _MARKS.finditer(text, at, limit):
            if mark["line"]:
                if mark.start() < line:
                    continue  # of white space that was looked at
                found = _WHITE.match(text, mark.start(), limit + AHEAD)
                assert found is not None
                if not self._wrapped(text, line, mark.start(), found.end()):
                    return self._ended(text, at, mark.start())
                line = found.end()
            elif mark["open"]:
                brackets.open(text, mark.end())
            elif mark["quote"]:
                quotes.see(mark.group())
            elif mark.end() > brackets.inside:
                stop = ends_sentence(text, at, mark.start(), mark.end(), quotes)
                self.looked += AHEAD
                if stop is not None:
                    self.looked += stop - at
                    return min(stop, limit), False
        if limit == len(text):
            return self._ended(text, at, limit)
        cut = self._cut(text, at, limit)
        quotes.take(before)
        for mark in _MARKS.finditer(text, at, cut):
            if mark["quote"]:
                quotes.see(mark.group())
        return cut, True

    def _ended(self, text: str, at: int, stop: int) -> tuple[int, bool]:
        """The end of a sentence that has no mark: the last character before white space."""
        self.looked += stop - at
        return at + len(text[at:stop].rstrip()), False

    def _wrapped(self, text: str, line: int, end: int, following: int) -> bool:
        """Whether a sentence goes on after the end of a line.

        Args:
            text: at hand.
            line: where the line begins.
            end: the first character of the white space with the line's end.
            following: the first after it.
        """
        if self._lines == "separate" or following >= len(text) or text[following].isspace():
            return False
        if len(_LINE_END.findall(text, end, following)) > 1:
            return False
        if self._lines == "wrapped":
            return True
        own = text[line:end].rstrip()
        if not own or _LIST_MARK.match(text, following):
            return False
        last, first = own[-1], text[following]
        if own.startswith(("```", "~~~", "#", "|", "<")) or last in ".!?…:。！？：;；|":
            return False
        if first.islower() or last in ",，、-":
            return len(own) > 2
        unspaced = ord(last) > 0x2FFF
        return len(own) >= (_WRAPPED_FROM_UNSPACED if unspaced else _WRAPPED_FROM)

    def _cut(self, text: str, at: int, limit: int) -> int:
        """Where a sentence that is too long is cut: the best place in its last three quarters."""
        self.looked += 4 * (limit - at)
        earliest = at + (limit - at) // 4
        for clause in _CLAUSES:
            last = 0
            for found in clause.finditer(text, earliest, limit):
                last = found.end()
            if last:
                return at + len(text[at:last].rstrip())
        if text[limit : limit + 1].isspace():
            return limit
        # Between characters: never inside what is shown as one.
        for place in range(limit, earliest, -1):
            if not _JOINED.match(text, place) and text[place - 1] != "\u200d":
                return place
        return limit
