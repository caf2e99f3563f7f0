"""Whether a stop (or question mark, ellipsis, …) is the end of a sentence."""

from __future__ import annotations

import re

from anysize.windows.sentence_words import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    BEFORE_ORDINALS,
    FIRST_WORDS,
    MONTHS,
    SOMETIMES_LAST,
)

AHEAD = 240
"""Characters after a mark that a decision may look at."""

_BLANKS = 128
_WORD = 48
_SURE = "。！？｡．।॥።။។"
_CLOSING = "\"'”’»›)]}」』】）》〉］〕“‘«*_"
_ALWAYS_CLOSING = ")]}」』】）》〉］〕”"
_CONTINUING = ",;:，；：、،)]}）】」』.!?…"
_OPENING = "\"'„“”‚‘«»‹›([{（【《〈「『¿¡*_-–—"
_SPACES = re.compile(r"\s*")
_FIRST = re.compile(r"\w[\w'’]*")
_DOTTED = re.compile(r"(?:\w\.)+\w")
_ROMAN = re.compile(r"[IVXLC]{2,}")
_LIST_NUMBER = re.compile(r"[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivxlcIVXLC]{1,5})")
# “…。”他说: who says it comes after what is said.
_SAID = re.compile(r"[^\s，。！？；：、,.!?;:“”\"「」]{0,7}[说說道问問答喊叫曰云]")


class Quotes:
    """Which quotes are open: the same mark opens in one language and closes in another."""

    __slots__ = ("_low", "_straight")

    def __init__(self) -> None:
        self._straight = self._low = False

    def copy(self) -> Quotes:
        """Another one in the same state."""
        other = Quotes()
        other.take(self)
        return other

    def take(self, other: Quotes) -> None:
        """Goes into the state of another one."""
        self._straight, self._low = other._straight, other._low

    def see(self, mark: str) -> None:
        """A quotation mark of the running text."""
        if mark == '"':
            self._straight = not self._straight
        elif mark in "„“”":
            self._low = mark == "„"

    def closes(self, mark: str, following: str) -> bool:
        """Whether a mark right after the end of a sentence belongs to it.

        Args:
            mark: one that may close.
            following: the character after it; empty at the end.
        """
        is_open = {'"': self._straight, "“": self._low}.get(mark, mark in _ALWAYS_CLOSING)
        return is_open or not following.isalnum()


def ends_sentence(text: str, begin: int, start: int, stop: int, quotes: Quotes) -> int | None:
    """Where a sentence ends that has a mark ``[start, stop)``; None where it goes on.

    Args:
        text: at hand, with ``AHEAD`` characters after the mark unless it ends.
        begin: of the sentence.
        start: of the mark.
        stop: of the mark.
        quotes: which are open; those that close with the sentence are noted.
    """
    mark = text[start:stop]
    if mark == "．" and text[stop : stop + 1].isdigit():
        return None
    trial = quotes.copy()
    end = _after_closing(text, stop, trial)
    found = _SPACES.match(text, end, end + _BLANKS)
    assert found is not None
    following = found.end()
    first = text[following : following + 1]
    if first and not first.isspace():
        if first in _CONTINUING or _closes_apart(text, following):
            return None
        if _goes_on(text, begin, start, mark, end, following):
            return None
    quotes.take(trial)
    return end


def _after_closing(text: str, stop: int, quotes: Quotes) -> int:
    """The end of the quotes and brackets that close right after a mark."""
    end = stop
    while end < len(text) and end - stop < 8 and text[end] in _CLOSING:
        if not quotes.closes(text[end], text[end + 1 : end + 2]):
            break
        quotes.see(text[end])
        end += 1
    return end


def _closes_apart(text: str, at: int) -> bool:
    """Whether a French quote closes here, after a space."""
    return text[at] in "»›" and not text[at + 1 : at + 2].isalnum()


def _goes_on(text: str, begin: int, start: int, mark: str, end: int, following: int) -> bool:
    """Whether the sentence goes on after its mark and quotes."""
    gap, closed = following > end, end > start + len(mark)
    first = text[following]
    if mark[-1] in _SURE:
        return closed and _SAID.match(text, following, following + 9) is not None
    if not gap:
        # Come!Go, a.b, 3.14, example.com; only Chinese and Japanese have no space.
        if ord(first) <= 0x2FFF or mark[0] == "…":
            return True
        return mark == "." and (start == begin or ord(text[start - 1]) <= 0x2FFF)
    if first.islower():
        return True
    if mark != "." or closed or start == begin:
        return False
    return _abbreviated(text, begin, start, following)


def _abbreviated(text: str, begin: int, start: int, following: int) -> bool:
    """Whether the stop at ``start`` belongs to the word before it alone."""
    word = _word_before(text, begin, start)
    after = _word_after(text, following)
    starts = after in FIRST_WORDS
    if start - begin == len(word) and _LIST_NUMBER.fullmatch(word):
        return True  # 1. Introduction
    bare = word.lstrip(_OPENING)
    lower = bare.lower()
    if bare.isdigit():
        return _ordinal(_word_before(text, begin, start - len(word)), bare, after)
    if lower in ABBREVIATIONS or (lower in BEFORE_NUMBERS and after[:1].isdigit()):
        return True
    if lower in SOMETIMES_LAST or _DOTTED.fullmatch(bare) or _ROMAN.fullmatch(bare):
        return not starts
    if len(bare) == 1 and bare.isupper():
        return not starts  # an initial
    # Joined to what is before: Prof.Dr., M.-L.
    last = lower.rpartition(".")[2].rpartition("-")[2]
    return "." in bare and (last in ABBREVIATIONS or len(last) == 1) and not starts


def _ordinal(before: str, number: str, after: str) -> bool:
    """Whether a number with a stop is an ordinal: am 3. Mai, der 17. Versuch."""
    if len(number) > 3:
        return False
    if after.lower() in MONTHS:
        return True
    return before.lstrip(_OPENING).lower() in BEFORE_ORDINALS and after not in FIRST_WORDS


def _word_before(text: str, begin: int, at: int) -> str:
    """The characters up to a place from the last white space on."""
    words = text[max(begin, at - _WORD) : at].rstrip().rsplit(maxsplit=1)
    return words[-1] if words else ""


def _word_after(text: str, at: int) -> str:
    """The first word from a place on, after quotes and brackets."""
    end = at
    while end < len(text) and end - at < 4 and text[end] in _OPENING:
        end += 1
    found = _FIRST.match(text, end, end + _WORD)
    return "" if found is None else found.group()
