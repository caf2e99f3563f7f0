"""Tokenising a text of any length as a stream, with the same tokens as all of it at once.

The text is tokenised in pieces that overlap. Two neighbouring pieces are joined at a place where
both have a token border, with the same token (id and characters) on either side of it, and so
far from the ends of both pieces that what was cut off there cannot matter. Why that gives the
tokens of the whole text:

* WordPiece, and all that splits words first: the words on both sides of the border were seen
  whole, and a word's tokens depend on nothing else.
* Byte-pair encoding: a sequence of tokens is the encoding of its text if and only if each
  adjacent pair is the encoding of its own text; every pair of the joined sequence, the one across
  the border included, is in one of the two encodings.
* Unigram: both are best paths, and the best path of the whole is made of their parts as soon as it
  touches the stretch where they agree; that is certain at a border that is a space, and
  elsewhere the middle of a long agreeing stretch is taken. Where several paths are equally
  good (a long run of one character), another of them may be found.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from tokenizers import Tokenizer

from anysize.core.errors import ConfigurationError
from anysize.windows.frames import Frames
from anysize.windows.pieces import Joint, Piece, joint

# The library's own threads print a warning at every later fork; readers have threads of their own.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Characters that each further piece adds. Longer pieces fall out of the processor's cache: 64 KiB
# take up to twice the time a token.
CHUNK = 8192
# Characters on both sides of a border that both pieces must have seen, at least.
_GUARD = 128
# Pieces that are kept for the next use of the same text, and how long they may be.
_KEPT, _KEPT_CHARACTERS = 8, 2 * CHUNK
# A piece grows to at most this many characters while no border is found.
LONGEST = 1 << 18


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A tokenizer without truncation and padding, for texts of any length.

    Safe to use from several threads; the tokenizer passed in is copied, not changed.

    Attributes:
        tokenizer: any tokenizer of the ``tokenizers`` library.
        chunk: characters that each further piece of a long text adds.
        unknown: the id of the token for what the vocabulary does not have; None where there is
            none.
    """

    tokenizer: Tokenizer
    chunk: int = CHUNK
    unknown: int | None = field(init=False, default=None)
    _guard: int = field(init=False, default=_GUARD)
    _recent: dict[str, Piece] = field(init=False, default_factory=dict, repr=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigurationError(f"chunk must be at least 1 character, not {self.chunk}")
        settings = json.loads(self.tokenizer.to_str())
        settings["truncation"] = settings["padding"] = None
        if settings["model"].get("dropout"):
            settings["model"]["dropout"] = None
        # WordPiece gives words above this length up as unknown: it must see that they are.
        longest_word = settings["model"].get("max_input_chars_per_word") or 0
        object.__setattr__(self, "tokenizer", Tokenizer.from_str(json.dumps(settings)))
        unknown = settings["model"].get("unk_id")
        if unknown is None and settings["model"].get("unk_token") is not None:
            unknown = self.tokenizer.token_to_id(settings["model"]["unk_token"])
        object.__setattr__(self, "unknown", unknown)
        object.__setattr__(self, "_guard", max(_GUARD, longest_word + 28))

    @cached_property
    def frames(self) -> Frames:
        """What surrounds a window's own tokens."""
        return Frames(self.tokenizer)

    def ids(self, text: str) -> list[int]:
        """Token ids of a whole text in memory, special tokens left out; the fastest way."""
        # A batch of one: unlike encode, it lets other threads run.
        encoding = self.tokenizer.encode_batch_fast([text], add_special_tokens=False)[0]
        return list(encoding.ids)

    def encode(self, text: str, start: int = 0) -> Piece:
        """The tokens of one piece of text that begins at character ``start``.

        The last few beginnings of texts are kept: many questions are asked of one context.
        """
        if start or len(text) > _KEPT_CHARACTERS:
            return self._encode(text, start)
        with self._lock:
            kept = self._recent.pop(text, None)
            if kept is not None:
                self._recent[text] = kept
                return kept
        piece = self._encode(text, start)
        with self._lock:
            self._recent[text] = piece
            while len(self._recent) > _KEPT:
                del self._recent[next(iter(self._recent))]
        return piece

    def _encode(self, text: str, start: int) -> Piece:
        encoding = self.tokenizer.encode_batch([text], add_special_tokens=False)[0]
        return Piece(encoding, text, start)

    def stream(self, chunks: Iterator[str]) -> Iterator[tuple[Piece, int, int]]:
        """(piece, first, last): tokens ``[first, last)`` of each piece, in order.

        Joined, they are the tokens of the whole text. Holds a few pieces' worth of text: a piece
        grows only where no border is found in it, and to at most 262,144 characters; a stretch
        longer than that without any border (a word of that length) is cut there.
        """
        reader = _Reader(chunks)
        shared = 4 * self._guard
        piece, final = self._piece(reader, 0, shared + self.chunk)
        here = Joint(0, 0, 0)
        while not final:
            reach = piece.stop - piece.start
            longest = reach >= LONGEST
            begin = max(_begin(piece, piece.stop - shared, self._guard), piece.start)
            ahead = piece.stop + self.chunk
            follower, follower_final = self._piece(reader, begin, ahead)
            low = max(begin + self._guard, here.character)
            high = piece.stop - self._guard
            there = joint(piece, follower, low, high, lenient=longest)
            if there is None and not longest:
                # Doubling keeps the work of a piece that must grow several times linear.
                ahead = piece.stop + max(self.chunk, reach)
                piece, final = self._piece(reader, piece.start, ahead)
                right = piece.index(here.character)
                if right > 0 and piece.characters(right - 1)[1] > here.character:
                    # More text has moved a border that was given out already (one of several
                    # equally good paths): go on from there, so that nothing is lost.
                    piece, final = self._piece(reader, here.character, ahead)
                    right = 0
                here = Joint(0, right if here.character else 0, here.character)
                continue
            if there is None:
                follower, follower_final = self._piece(reader, piece.stop, ahead)
                there = Joint(len(piece), 0, piece.stop)
            yield piece, here.right, there.left
            piece, final, here = follower, follower_final, there
            reader.forget(piece.start)
        yield piece, here.right, len(piece)

    def _piece(self, reader: _Reader, start: int, stop: int) -> tuple[Piece, bool]:
        """The piece of characters ``[start, stop)``, and whether the text ends with it."""
        text, final = reader.read(start, stop)
        return self.encode(text, start), final


# Copying a vocabulary of 30,000 takes as long as tokenising a thousand short texts.
_ENCODERS: weakref.WeakKeyDictionary[Tokenizer, TextEncoder] = weakref.WeakKeyDictionary()


def encoder_of(tokenizer: Tokenizer, chunk: int = CHUNK) -> TextEncoder:
    """The tokenizer's encoder: with the usual chunk the same one for as long as it lives.

    What is changed in the tokenizer after the first call is not seen.
    """
    if chunk != CHUNK:
        return TextEncoder(tokenizer, chunk)
    encoder = _ENCODERS.get(tokenizer)
    if encoder is None:
        encoder = _ENCODERS.setdefault(tokenizer, TextEncoder(tokenizer))
    return encoder


def _begin(piece: Piece, wanted: int, guard: int) -> int:
    """Where the next piece begins: after a token that ends near ``wanted``.

    Beginning at a border makes the tokens agree soon, also where a long run of one character is
    cut into equal parts.
    """
    index = piece.index(wanted)
    if index > 0:
        after = piece.characters(index - 1)[1]
        if wanted - guard <= after <= wanted + guard:
            return after
    return wanted


class _Reader:
    """Characters of a stream by position, holding what is not yet forgotten."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self._held = ""
        self._start = 0
        self._ended = False

    def read(self, start: int, stop: int) -> tuple[str, bool]:
        """Characters ``[start, stop)``, fewer at the end, and whether nothing comes after."""
        # One more than asked for shows whether the text goes on.
        missing = stop + 1 - self._start - len(self._held)
        parts = [self._held]
        while missing > 0 and not self._ended:
            part = next(self._chunks, None)
            if part is None:
                self._ended = True
            else:
                parts.append(part)
                missing -= len(part)
        if len(parts) > 1:
            self._held = "".join(parts)
        end = self._start + len(self._held)
        return self._held[start - self._start : stop - self._start], end <= stop

    def forget(self, before: int) -> None:
        """Characters before this position will not be asked for again."""
        # By halves, so that a large chunk is not copied once for each small piece.
        if before - self._start > len(self._held) // 2:
            self._held = self._held[before - self._start :]
            self._start = before
