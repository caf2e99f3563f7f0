"""Tokenising a text of any length as a stream, with the same tokens as all of it at once.

The text is tokenised in pieces that overlap. Two neighbouring pieces are joined at a place where
both have a token border, with the same token (id and characters) on either side of it, and far
enough from the ends of both pieces that what was cut off there cannot matter. Why that gives the
tokens of the whole text:

* WordPiece and every tokenizer that splits words first: the words on both sides of the border
  were seen whole, and a word's tokens depend on nothing else.
* Byte-pair encoding: a sequence of tokens is the encoding of its text if and only if each
  adjacent pair is the encoding of its own text; every pair of the joined sequence, the one across
  the border included, stands in one of the two encodings.
* Unigram: both are best paths, and the best path of the whole is made of their parts as soon as it
  touches the stretch where they agree; a border at a space, or the middle of the longest
  agreeing stretch, is chosen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding

# The library's own threads print a warning in every later fork; readers have threads of their own.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Longer pieces fall out of the processor's cache and are slower a token.
CHUNK = 8192
# Characters on each side of a border that both pieces must have seen. More than the 100 after
# which BERT's WordPiece gives a word up as unknown.
_GUARD = 128
_SHARED = 4 * _GUARD
# Tokens that must agree around a border that is not at a space.
_AGREE = 8
# A piece grows to at most this many characters while no border is found.
_LONGEST = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Consecutive tokens of a text: arrays ``[length]``, characters counted from its beginning."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Template:
    """Ids of the special tokens that the tokenizer puts before and after a text."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither truncates nor pads and has no random merges."""
    settings = json.loads(tokenizer.to_str())
    settings["truncation"] = settings["padding"] = None
    if settings["model"].get("dropout"):
        settings["model"]["dropout"] = None
    return Tokenizer.from_str(json.dumps(settings))
