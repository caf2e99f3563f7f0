"""A text field as a stream of token windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anysize.core.errors import ConfigurationError
from anysize.core.records import TextField
from anysize.core.windows import Span
from anysize.windows.encoding import CHUNK, TextEncoder, encoder_of
from anysize.windows.pieces import Piece
from anysize.windows.spans import SpanCutter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenWindow:
    """One window of a text.

    Attributes:
        ids: int32 ``[length]``, special tokens included: what the model reads.
        region: the tokens of the text in it, counted without special tokens.
        core: those of them that this window owns.
        characters: the characters of ``region``; the first window's begin at 0, the last one's
            end where the text ends.
        last: whether it is the text's last window.
        unknown: of the last window: how much of the text the vocabulary does not have.
    """

    ids: NDArray[np.int32]
    region: Span
    core: Span
    characters: Span
    last: bool
    unknown: Unknown | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Tokens of a text that stand for anything that is not in the vocabulary.

    Attributes:
        tokens: how many.
        characters: what stands behind them.
    """

    tokens: int
    characters: int


@dataclass(frozen=True, eq=False)
class TokenWindows:
    """Cuts texts into windows of tokens, each with the tokenizer's special tokens around it.

    The tokens are those of tokenising the whole text at once (``windows.encoding`` says how and
    with which limits), without truncation or padding; memory does not grow with the text. The
    regions and cores are those of ``windows.spans`` over the text's tokens. A text without
    tokens has one window, with the special tokens only.

    Safe to use from several threads.

    Attributes:
        tokenizer: is copied at its first use; the copy neither truncates nor pads.
        size: tokens in a window, special tokens included.
        overlap: tokens that neighbouring windows share.
        max_windows: the number of windows after which the rest of a text is left unread; the
            last one then owns its region to the end. None reads everything.
        chunk: characters tokenised at a time.

    Raises:
        ConfigurationError: a parameter breaks its rule.
    """

    tokenizer: Tokenizer
    size: int
    overlap: int = 0
    max_windows: int | None = None
    chunk: int = CHUNK

    def __post_init__(self) -> None:
        problems = []
        specials = len(self._prefix) + len(self._suffix)
        room = self.size - specials
        if room < 1:
            problems.append(
                f"window must be above the tokenizer's {specials} special tokens, not {self.size}"
            )
        elif not 0 <= self.overlap < room:
            problems.append(
                f"overlap must be at least 0 and below the window's {room} tokens of text, "
                f"not {self.overlap}"
            )
        if self.max_windows is not None and self.max_windows < 1:
            problems.append(f"max_windows must be at least 1 or None, not {self.max_windows}")
        if problems:
            raise ConfigurationError(problems)

    @cached_property
    def encoder(self) -> TextEncoder:
        """The tokenizer as it is used here."""
        return encoder_of(self.tokenizer, self.chunk)

    @cached_property
    def _prefix(self) -> NDArray[np.int32]:
        return np.array(self.encoder.template[0], np.int32)

    @cached_property
    def _suffix(self) -> NDArray[np.int32]:
        return np.array(self.encoder.template[1], np.int32)

    @cached_property
    def _room(self) -> int:
        """Tokens of text in a window: its size less the special tokens."""
        return self.size - len(self._prefix) - len(self._suffix)

    def stream(self, text: TextField) -> Iterator[TokenWindow]:
        """The windows of a text, in order.

        Raises:
            DataError: the text cannot be read.
        """
        chunks = text.chunks()
        # A text of one window is the most common: it needs no offsets.
        short = 3 * self._room
        begin = ""
        for begin_part in chunks:
            begin += begin_part
            if len(begin) > short:
                break
        else:
            ids = self.encoder.ids(begin)
            if len(ids) <= self._room:
                yield self._whole(ids, begin)
                return
        yield from self._limited(self._long(_chain(begin, chunks)))

    def _whole(self, ids: list[int], text: str) -> TokenWindow:
        """The only window of a short text."""
        unknown = None
        if self.encoder.unknown in ids:
            counter = _UnknownCounter(self.encoder.unknown)
            counter.add(self.encoder.encode(text), 0, len(ids))
            unknown = counter.total
        region = Span(0, len(ids))
        prefix, suffix = self.encoder.template
        return TokenWindow(
            ids=np.array([*prefix, *ids, *suffix], np.int32),
            region=region,
            core=region,
            characters=Span(0, len(text)),
            last=True,
            unknown=unknown,
        )

    def _long(self, chunks: Iterator[str]) -> Iterator[TokenWindow]:
        cutter = SpanCutter(self._room, self.overlap)
        held = _Held()
        counter = _UnknownCounter(self.encoder.unknown)
        for piece, first, last in self.encoder.stream(chunks):
            counter.add(piece, first, last)
            held.add(piece, first, last)
            for region, core in cutter.grow(held.extent):
                yield self._window(held, region, core, last=False)
                held.forget(region.start + self._room - self.overlap)
        ending = list(cutter.finish())
        for region, core in ending:
            last_one = region is ending[-1][0]
            window = self._window(held, region, core, last=last_one)
            yield replace(window, unknown=counter.total) if last_one else window

    def _window(self, held: _Held, region: Span, core: Span, *, last: bool) -> TokenWindow:
        start = held.characters(region.start)[0] if region.start else 0
        stop = held.stop if last else held.characters(region.stop - 1)[1]
        return TokenWindow(
            ids=np.concatenate([self._prefix, *held.ids(region), self._suffix]),
            region=region,
            core=core,
            characters=Span(start, stop),
            last=last,
        )

    def _limited(self, windows: Iterator[TokenWindow]) -> Iterator[TokenWindow]:
        """No more than ``max_windows`` of them."""
        if self.max_windows is None:
            yield from windows
            return
        for index, window in enumerate(windows, 1):
            if index < self.max_windows:
                yield window
                continue
            yield TokenWindow(
                ids=window.ids,
                region=window.region,
                core=Span(window.core.start, window.region.stop),
                characters=window.characters,
                last=True,
                unknown=window.unknown,
            )
            return


def _chain(begin: str, rest: Iterator[str]) -> Iterator[str]:
    yield begin
    yield from rest


class _UnknownCounter:
    """Counts unknown tokens as they go by, and the characters behind them."""

    def __init__(self, token: int | None) -> None:
        self._token = token
        self._tokens = self._characters = 0

    def add(self, piece: Piece, first: int, last: int) -> None:
        if self._token is None:
            return
        for place in np.flatnonzero(piece.ids[first:last] == self._token).tolist():
            start, stop = piece.characters(first + place)
            self._tokens += 1
            self._characters += stop - start

    @property
    def total(self) -> Unknown | None:
        return Unknown(self._tokens, self._characters) if self._tokens else None


class _Held:
    """The tokens that a later window may still need."""

    def __init__(self) -> None:
        # Tokens before the run; the piece; its first and last token that count.
        self._runs: deque[tuple[int, Piece, int, int]] = deque()
        self.extent = 0
        self.stop = 0

    def add(self, piece: Piece, first: int, last: int) -> None:
        if last > first:
            self._runs.append((self.extent, piece, first, last))
        self.extent += last - first
        self.stop = piece.stop

    def forget(self, before: int) -> None:
        while self._runs and self._runs[0][0] + self._runs[0][3] - self._runs[0][2] <= before:
            self._runs.popleft()

    def ids(self, region: Span) -> Iterator[NDArray[np.int32]]:
        for begin, piece, first, last in self._runs:
            start = max(region.start - begin + first, first)
            stop = min(region.stop - begin + first, last)
            if start < stop:
                yield piece.ids[start:stop]

    def characters(self, token: int) -> tuple[int, int]:
        for begin, piece, first, last in self._runs:
            if token < begin + last - first:
                return piece.characters(token - begin + first)
        raise IndexError(token)
