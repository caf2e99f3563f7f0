"""Pieces of a tokenised text, and where two that overlap may be joined."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from anysize.windows.words import Places, places

# Borders that must agree in a row where the join is not at a space.
_AGREE = 8


@dataclass(frozen=True, eq=False)
class Piece:
    """One encoding of the characters ``[start, stop)`` of a text, special tokens left out.

    Characters are counted from the beginning of the text. Offsets are looked up one at a time:
    making Python objects of all of them costs as much time as a sixth of the tokenisation.
    """

    encoding: Encoding
    text: str
    start: int

    def __len__(self) -> int:
        return len(self.encoding)

    @property
    def stop(self) -> int:
        return self.start + len(self.text)

    @cached_property
    def ids(self) -> NDArray[np.int32]:
        """Token ids ``[length]``."""
        return np.array(self.encoding.ids, np.int32)

    def characters(self, index: int) -> tuple[int, int]:
        """First character of token ``index`` and the one after its last."""
        offsets = self.encoding.token_to_chars(index)
        assert offsets is not None, "every token belongs to the text: there are no special tokens"
        return self.start + offsets[0], self.start + offsets[1]

    def index(self, character: int) -> int:
        """The first token that starts at or after ``character``; the length where none does."""
        return bisect_left(range(len(self)), character, key=lambda i: self.characters(i)[0])

    @cached_property
    def places(self) -> Places:
        """Characters of every token, and where words begin; made where all are wanted."""
        offsets = np.array(self.encoding.offsets, np.int64).reshape(-1, 2)
        words = np.array(
            [-1 if each is None else each for each in self.encoding.word_ids], np.int64
        )
        found = places(self.text, offsets, words)
        return Places(found.offsets + self.start, found.starts)

    def is_space(self, character: int) -> bool:
        return self.text[character - self.start].isspace()

    def offsets(self, first: int, last: int) -> NDArray[np.int64]:
        """``[last - first, 2]``: start and stop of tokens ``[first, last)``."""
        pairs = [self.characters(index) for index in range(first, last)]
        return np.array(pairs, np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Joint:
    """Tokens of the left piece before ``left`` are followed by the right piece's from ``right``."""

    left: int
    right: int
    character: int


def joint(left: Piece, right: Piece, low: int, high: int, *, lenient: bool) -> Joint | None:
    """A place in ``[low, high)`` where the two pieces' tokens agree; None where there is none.

    Places at a space are preferred, the nearest to the middle; otherwise it is the middle of the
    longest stretch of agreeing borders, which must have at least ``_AGREE`` of them, or at least
    one if ``lenient``.
    """
    if low >= high:
        return None
    gap = _gap(left, right, low, high)
    if gap is not None:
        return gap
    found = list(_agreeing(left, right, low, high))
    at_space = [
        item
        for run in found
        for item in run
        if left.is_space(item.character) or left.is_space(item.character - 1)
    ]
    if at_space:
        return min(at_space, key=lambda item: abs(2 * item.character - low - high))
    longest = max(found, key=len, default=[])
    if len(longest) < (1 if lenient else _AGREE):
        return None
    return longest[len(longest) // 2]


def _gap(left: Piece, right: Piece, low: int, high: int) -> Joint | None:
    """The place to join where neither piece has a token between ``low`` and ``high``."""
    ends = []
    for piece in (left, right):
        index = piece.index(low)
        if index > 0 and piece.characters(index - 1)[1] > low:
            return None
        if index < len(piece) and piece.characters(index)[0] < high:
            return None
        ends.append(index)
    return Joint(ends[0], ends[1], low)


def _agreeing(left: Piece, right: Piece, low: int, high: int) -> Iterator[list[Joint]]:
    """Runs of neighbouring borders with equal tokens on both sides in both pieces."""
    first_left, left_ids, left_offsets = _around(left, low, high)
    first_right, right_ids, right_offsets = _around(right, low, high)
    ours, theirs = _borders(left_offsets), _borders(right_offsets)
    if not len(ours) or not len(theirs):
        return
    starts = right_offsets[theirs, 0]
    matching = theirs[np.minimum(np.searchsorted(starts, left_offsets[ours, 0]), len(theirs) - 1)]
    agree = np.ones(len(ours), bool)
    for back in (0, 1):
        agree &= left_ids[ours - back] == right_ids[matching - back]
        agree &= (left_offsets[ours - back] == right_offsets[matching - back]).all(axis=1)
    run: list[Joint] = []
    for i, j, same in zip(ours.tolist(), matching.tolist(), agree.tolist(), strict=True):
        if same:
            run.append(Joint(first_left + i, first_right + j, int(left_offsets[i, 0])))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _around(piece: Piece, low: int, high: int) -> tuple[int, NDArray[np.int32], NDArray[np.int64]]:
    """Index, ids and offsets of the tokens that start in ``[low, high)`` and of one before."""
    first, last = max(piece.index(low) - 1, 0), piece.index(high)
    return first, piece.ids[first:last], piece.offsets(first, last)


def _borders(offsets: NDArray[np.int64]) -> NDArray[np.intp]:
    """Tokens (not the first) that share no character with the one before.

    Byte-level tokens may be parts of one character; between those there is no border.
    """
    return np.flatnonzero(offsets[1:, 0] >= offsets[:-1, 1]) + 1
