"""Two texts side by side, with what differs between them marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeAlias

Marked: TypeAlias = list[tuple[bool, str]]
"""Parts of a text, each with whether it differs from the other text."""

# Scripts that are written without blanks are compared by characters.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"\s+|[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+|[^\w\s]|_")

_SPOKEN = re.compile(
    rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+(?:['’.][^\W_{_IDEOGRAPHS}]+)*|\s+|[^\w\s]|_"
)


def marked(own: str, wanted: str) -> tuple[Marked, Marked]:
    """Both texts in parts, word by word (Chinese and Japanese by characters)."""
    left, right = _WORD.findall(own), _WORD.findall(wanted)
    blocks = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    return (
        _parts(left, [(tag, first, last) for tag, first, last, _, _ in blocks]),
        _parts(right, [(tag, first, last) for tag, _, _, first, last in blocks]),
    )


def marked_as_compared(
    own: str, wanted: str, compared: Callable[[str], Sequence[str]]
) -> tuple[Marked, Marked]:
    """Both texts in parts as they are written, marked where what is compared of them differs.

    Args:
        own: a text.
        wanted: the text that it is compared with.
        compared: the words of a piece of text that a comparison sees; none of punctuation.
    """
    pieces = _SPOKEN.findall(own), _SPOKEN.findall(wanted)
    seen = [[(at, tuple(compared(one))) for at, one in enumerate(text)] for text in pieces]
    seen = [[(at, words) for at, words in text if words] for text in seen]
    differ = [[False] * len(text) for text in pieces]
    first, second = ([words for _, words in text] for text in seen)
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    for tag, *bounds in matcher.get_opcodes():
        for side in (0, 1):
            for at, _ in seen[side][bounds[2 * side] : bounds[2 * side + 1]]:
                differ[side][at] = tag != "equal"
    left, right = (_grouped(text, marks) for text, marks in zip(pieces, differ, strict=True))
    return left, right


def _grouped(pieces: Sequence[str], differ: Sequence[bool]) -> Marked:
    return [
        (mark, "".join(piece for _, piece in group))
        for mark, group in groupby(zip(differ, pieces, strict=True), key=lambda each: each[0])
    ]


def _parts(words: Sequence[str], blocks: Iterable[tuple[str, int, int]]) -> Marked:
    return [
        (tag != "equal", "".join(words[first:last])) for tag, first, last in blocks if last > first
    ]
