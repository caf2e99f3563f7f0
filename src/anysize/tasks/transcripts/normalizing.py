"""What of two transcripts is compared: words without case and punctuation, in any script.

Done to both texts, in this order:

1. Unicode NFKC (full-width forms, ligatures and composed characters become the usual ones) and case
   folding;
2. commas and apostrophes that group digits go (``1,000`` is ``1000``), a point between digits
   stays;
3. an apostrophe inside a word stays, in its plain form (``don't``); all other punctuation and all
   symbols separate words (``twenty-one`` is two);
4. each character of a script that is written without spaces (Chinese, Japanese, Thai, …) is a word
   of its own, with the marks on it. The word error rate of such text is its character error rate.

Nothing is spelled out: ``5`` and ``five``, ``Mr`` and ``mister`` are different words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

from anysize.core.scripts import UNSPACED

_GROUPED = re.compile(r"(?<=\d)[,'\u2019](?=\d\d\d(?!\d))")
_APOSTROPHES = "'\u2019\u02bc\uff07"


def words(text: str) -> list[str]:
    """The words of a text that are compared; see the module."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return list(_words(_GROUPED.sub("", folded)))


def words_as_written(text: str) -> list[str]:
    """The words of a text with case and punctuation: only NFKC and rule 4 of the module."""
    return "".join(
        f" {character} " if is_unspaced(character) else character
        for character in unicodedata.normalize("NFKC", text)
    ).split()


def characters(found: Sequence[str]) -> str:
    """Words as a text of characters: a blank between two of them, unless one needs none."""
    parts: list[str] = []
    for word in found:
        if parts and not is_unspaced(word[0]) and not is_unspaced(parts[-1][0]):
            parts.append(" ")
        parts.append(word)
    return "".join(parts)


@cache
def is_unspaced(character: str) -> bool:
    """Whether a character is of a script that is written without spaces."""
    return any(start <= ord(character) < stop for start, stop in UNSPACED)


def unspaced_share(found: Sequence[str]) -> float:
    """Which part of the words are characters of scripts without spaces."""
    return sum(is_unspaced(word[0]) for word in found) / len(found) if found else 0.0


def _words(text: str) -> Iterator[str]:
    held: list[str] = []
    alone = False  # whether what is held is a character of a script without spaces
    for place, character in enumerate(text):
        kind = unicodedata.category(character)[0]
        if kind == "M" and held:
            held.append(character)
        elif kind in "LN":
            if held and (alone or is_unspaced(character)):
                yield "".join(held)
                held = []
            held.append(character)
            alone = is_unspaced(character)
        elif held and not alone and _inside(text, place):
            held.append("'" if character in _APOSTROPHES else character)
        elif held:
            yield "".join(held)
            held = []
    if held:
        yield "".join(held)


def _inside(text: str, place: int) -> bool:
    """Whether a character is an apostrophe between letters or a point between digits."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if text[place] in _APOSTROPHES:
        return before.isalpha() and after.isalpha()
    return text[place] == "." and before.isdigit() and after.isdigit()
