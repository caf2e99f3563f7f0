"""Texts that end a generation, wherever the borders of tokens are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StopStrings:
    """Strings at which a sequence ends; what is generated is cut before the first of them.

    Attributes:
        strings: none of them empty.
        decode: from token ids to what they say.
    """

    strings: tuple[str, ...]
    decode: Callable[[NDArray[np.int32]], str] = field(repr=False, compare=False)

    def reached(self, tokens: Sequence[int]) -> bool:
        """Whether one of them is in the text, now that its last token has come."""
        # No token is less than a byte of text, and a character has four at most.
        near = 4 * max(map(len, self.strings)) + 8
        text = self.decode(np.array(tokens[-near:], np.int32))
        return any(each in text for each in self.strings)

    def cut(self, text: str) -> str:
        """A text up to the first of them."""
        places = [place for each in self.strings if (place := text.find(each)) >= 0]
        return text[: min(places)] if places else text

    def shown(self, text: str) -> str:
        """What may be shown of a text that grows: an end that may become one of them is held."""
        text = self.cut(text)
        longest = max(
            (size for each in self.strings for size in range(1, len(each))
             if text.endswith(each[:size])), default=0,
        )  # fmt: skip
        return text[: len(text) - longest]
