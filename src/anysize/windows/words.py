"""Where words begin among the tokens of a text, and where their characters are.

A word is what a label of a token-level task belongs to: a run of letters and digits as the
tokenizer splits it, each other character by itself, and in scripts without spaces between words
each token. The same rule holds for labels that are learned and for those that are predicted, and
it does not depend on where a window begins.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.scripts import UNSPACED

_SPACE, _LETTER, _UNSPACED = 1, 2, 4


class Places(NamedTuple):
    """Of each token of a text.

    Attributes:
        offsets: int64 ``[tokens, 2]``, its first character and the one after its last, without
            white space at either end.
        starts: bool ``[tokens]``, whether a word begins with it.
    """

    offsets: NDArray[np.int64]
    starts: NDArray[np.bool_]


def places(text: str, offsets: NDArray[np.int64], words: NDArray[np.int64]) -> Places:
    """The places of tokens.

    Args:
        text: that was tokenised.
        offsets: ``[tokens, 2]``, of the tokenizer, in characters of the text.
        words: ``[tokens]``, which word of the tokenizer's own splitting each is part of.
    """
    if not len(offsets):
        return Places(offsets, np.zeros(0, np.bool_))
    kinds = _kinds(text)
    count = len(kinds)
    place = np.arange(count, dtype=np.int64)
    blank = (kinds & _SPACE) > 0
    # The next character that is not white space, and the end of the last such one.
    following = np.minimum.accumulate(np.where(blank, count, place)[::-1])[::-1]
    before = np.maximum.accumulate(np.where(blank, 0, place + 1))
    following, before = np.append(following, count), np.concatenate(([0], before))
    # Of a token of white space alone both are the end of what is before it.
    stop = before[offsets[:, 1]]
    first = np.minimum(following[offsets[:, 0]], stop)
    letter = (kinds & _LETTER) > 0
    inside = np.minimum(first, count - 1)
    joined = letter[inside] & letter[np.maximum(inside - 1, 0)] & (first > 0)
    joined &= (kinds[inside] & _UNSPACED) == 0
    starts = np.ones(len(offsets), np.bool_)
    starts[1:] = (words[1:] != words[:-1]) | ~joined[1:]
    # Byte-level tokens may be parts of one character; one of white space alone is not a word.
    starts[1:] &= first[1:] > first[:-1]
    starts &= stop > first
    return Places(np.stack([first, stop], axis=1), starts)


def _kinds(text: str) -> NDArray[np.uint8]:
    """What each character is."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    found: NDArray[np.uint8] = _table()[codes]
    return found


@cache
def _table() -> NDArray[np.uint8]:
    """Kinds by code point."""
    table = np.zeros(0x110000, np.uint8)
    for code in range(0x20000):
        character = chr(code)
        if character.isspace():
            table[code] |= _SPACE
        elif character.isalnum() or unicodedata.category(character)[0] == "M":
            table[code] |= _LETTER
    for first, stop in UNSPACED:
        table[first:stop] |= _LETTER | _UNSPACED
    return table
