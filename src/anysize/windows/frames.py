"""What surrounds a window's own tokens: special tokens, and a text that is repeated beside it.

A tokenizer's post-processor says which special tokens go around one text and around two, and the
type of each token (BERT: 0 for the first text and what frames it, 1 for the second).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from anysize.core.errors import ConfigurationError

Side: TypeAlias = Literal["before", "after"]
"""Where the repeated text is: before a window's own tokens or after them."""

# One that the vocabulary knows has tokens that are not special ones.
_PROBES = ("a", "的", "0", ".")


@dataclass(frozen=True, eq=False)
class Frame:
    """The tokens before and after a window's own.

    Attributes:
        prefix, suffix: int32 ids.
        prefix_types, suffix_types: int32, the type of each.
        own: the type of the window's own tokens.
    """

    prefix: NDArray[np.int32]
    suffix: NDArray[np.int32]
    prefix_types: NDArray[np.int32]
    suffix_types: NDArray[np.int32]
    own: int

    def __len__(self) -> int:
        return len(self.prefix) + len(self.suffix)

    def around(self, *parts: NDArray[np.int32] | Sequence[int]) -> NDArray[np.int32]:
        """Ids of a whole window, from those of its own tokens in parts."""
        own = [np.asarray(part, np.int32) for part in parts]
        return np.concatenate([self.prefix, *own, self.suffix])

    def types(self, own: int) -> NDArray[np.int32]:
        """Types of a whole window with ``own`` tokens of its own."""
        middle = np.full(own, self.own, np.int32)
        return np.concatenate([self.prefix_types, middle, self.suffix_types])


@dataclass(frozen=True, eq=False)
class Frames:
    """Makes the frames of a tokenizer.

    Attributes:
        tokenizer: neither truncates nor pads.
    """

    tokenizer: Tokenizer

    @cached_property
    def single(self) -> Frame:
        """Around one text."""
        for probe in _PROBES:
            encoding = self.tokenizer.encode(probe, add_special_tokens=True)
            start, stop = _place(encoding, 0)
            if start < stop:
                return _cut(encoding, start, stop)
        # A vocabulary that has none of them gives special tokens alone.
        return _cut(encoding, min(1, len(encoding)), min(1, len(encoding)))

    def beside(self, repeated: Sequence[int] | NDArray[np.int32], side: Side) -> Frame:
        """Around a window with another text beside it.

        Args:
            repeated: that text's ids, without special tokens.
            side: where it is.

        Raises:
            ConfigurationError: the tokenizer joins two texts in a way that is not understood.
        """
        encoding, (first, second) = self._pair
        own, other = (first, second) if side == "after" else (second, first)
        whole = _cut(encoding, *own)
        ids = np.asarray(repeated, np.int32)
        types = np.full(len(ids), encoding.type_ids[other[0]], np.int32)
        behind = own[1] if side == "after" else 0
        place = slice(other[0] - behind, other[1] - behind)
        if side == "after":
            return replace(
                whole,
                suffix=_put(whole.suffix, place, ids),
                suffix_types=_put(whole.suffix_types, place, types),
            )
        return replace(
            whole,
            prefix=_put(whole.prefix, place, ids),
            prefix_types=_put(whole.prefix_types, place, types),
        )

    @cached_property
    def _pair(self) -> tuple[Encoding, tuple[tuple[int, int], tuple[int, int]]]:
        for probe in _PROBES:
            encoding = self.tokenizer.encode(probe, probe, add_special_tokens=True)
            first, second = _place(encoding, 0), _place(encoding, 1)
            if first[0] < first[1] <= second[0] < second[1]:
                return encoding, (first, second)
        raise ConfigurationError(
            "the model's tokenizer does not say how two texts are joined (a pair template in its "
            "tokenizer.json), which a task with a repeated field needs: take another model"
        )


def _place(encoding: Encoding, text: int) -> tuple[int, int]:
    """Where a text's own tokens begin and end."""
    found = [place for place, owner in enumerate(encoding.sequence_ids) if owner == text]
    return (found[0], found[-1] + 1) if found else (0, 0)


def _cut(encoding: Encoding, start: int, stop: int) -> Frame:
    """The frame of the tokens ``[start, stop)`` of an encoding."""
    ids, types = np.array(encoding.ids, np.int32), np.array(encoding.type_ids, np.int32)
    return Frame(
        prefix=ids[:start],
        suffix=ids[stop:],
        prefix_types=types[:start],
        suffix_types=types[stop:],
        own=int(types[start]) if start < len(types) else 0,
    )


def _put(row: NDArray[np.int32], place: slice, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """The row with other values at a place."""
    return np.concatenate([row[: place.start], values, row[place.stop :]])
