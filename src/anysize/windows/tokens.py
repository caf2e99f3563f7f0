"""A text field as a stream of token windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import TextField
from anysize.core.windows import Span
from anysize.windows.encoding import CHUNK, TextEncoder, encoder_of
from anysize.windows.frames import Frame, Side
from anysize.windows.pieces import Piece
from anysize.windows.spans import SpanCutter
from anysize.windows.words import Places


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenWindow:
    """One window of a text.

    Attributes:
        ids: int32 ``[length]``, special tokens included, with those of the repeated text where
            there is one: what the model reads.
        first: where in ``ids`` the tokens of the region begin.
        region: the tokens of the text in it, counted without special tokens.
        core: those of them that this window owns.
        characters: the characters of ``region``; the first window's begin at 0, the last one's
            end where the text ends.
        last: whether it is the text's last window.
        unknown: of the last window: how much of the text the vocabulary does not have.
        types: int32 ``[length]``, the type of each token (``token_type_ids``); None where the
            windows are not to have them.
        places: of the tokens of the region, where their characters are and where words begin; None
            where the windows are not to have them.
    """

    ids: NDArray[np.int32]
    first: int
    region: Span
    core: Span
    characters: Span
    last: bool
    unknown: Unknown | None = None
    types: NDArray[np.int32] | None = None
    places: Places | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Tokens of a text that are not in the vocabulary.

    Attributes:
        tokens: how many.
        characters: how many characters they cover.
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

    A second text may be repeated beside each window (a question beside each window of its context):
    its tokens and the special ones are taken from the window's size, and the windowed text has the
    rest. Regions and cores are those of the windowed text alone.

    Safe to use from several threads.

    Attributes:
        tokenizer: is copied at its first use; the copy neither truncates nor pads.
        size: tokens in a window, special tokens included.
        overlap: tokens that neighbouring windows share.
        max_windows: the number of windows after which the rest of a text is left unread; the
            last one then owns its region to the end. None reads everything.
        chunk: characters tokenised at a time.
        types: whether windows have ``types``.
        places: whether windows have ``places``.
        repeated: what the repeated text is called in messages.
        side: where the repeated text is.

    Raises:
        ConfigurationError: a parameter breaks its rule.
    """

    tokenizer: Tokenizer
    size: int
    overlap: int = 0
    max_windows: int | None = None
    chunk: int = CHUNK
    types: bool = False
    places: bool = False
    repeated: str = "question"
    side: Side = "before"

    def __post_init__(self) -> None:
        problems = []
        specials = len(self.encoder.frames.single)
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

    def stream(self, text: TextField, beside: TextField | None = None) -> Iterator[TokenWindow]:
        """The windows of a text, in order.

        Args:
            text: what is windowed.
            beside: the text that is repeated beside each window, if there is one.

        Raises:
            DataError: a text cannot be read, or the repeated one leaves no room for the other.
            ConfigurationError: the tokenizer does not say how two texts are joined.
        """
        frame = self.encoder.frames.single if beside is None else self._frame_of(beside)
        room = self.size - len(frame)
        chunks = text.chunks()
        # A text of one window is the most common: it needs no offsets.
        short = 3 * room
        begin = ""
        for begin_part in chunks:
            begin += begin_part
            if len(begin) > short:
                break
        else:
            piece = self.encoder.encode(begin) if self.places else None
            ids = self.encoder.ids(begin) if piece is None else piece.ids.tolist()
            if len(ids) <= room:
                yield self._whole(ids, begin, frame, piece)
                return
        yield from self._limited(self._long(_chain(begin, chunks), frame, room))

    def _frame_of(self, beside: TextField) -> Frame:
        """The frame with a repeated text in it.

        Raises:
            DataError: it is too long.
        """
        alone = replace(self, types=False, places=False, max_windows=None)
        only = next(alone.stream(beside))
        own = only.ids[only.first : only.first + only.region.size]
        frame = self.encoder.frames.beside(own, self.side)
        room = self.size - len(frame)
        if only.last and room > self.overlap:
            return frame
        specials = len(frame) - len(own)
        raise DataError(
            beside.origin,
            f"the {self.repeated} is too long to be read beside each window: windows have "
            f"{self.size} tokens and overlap by {self.overlap}, so it may have "
            f"{max(self.size - specials - self.overlap - 1, 0)}, and it has {len(own)} or more; "
            "shorten it, or use a larger window or a smaller overlap",
        )

    def _whole(self, ids: list[int], text: str, frame: Frame, piece: Piece | None) -> TokenWindow:
        """The only window of a short text."""
        unknown = found = None
        if self.places or self.encoder.unknown in ids:
            piece = piece or self.encoder.encode(text)
            counter = _UnknownCounter(self.encoder.unknown)
            counter.add(piece, 0, len(ids))
            unknown = counter.total
            found = piece.places if self.places else None
        region = Span(0, len(ids))
        return TokenWindow(
            ids=frame.around(ids),
            first=len(frame.prefix),
            region=region,
            core=region,
            characters=Span(0, len(text)),
            last=True,
            unknown=unknown,
            types=frame.types(len(ids)) if self.types else None,
            places=found,
        )

    def _long(self, chunks: Iterator[str], frame: Frame, room: int) -> Iterator[TokenWindow]:
        cutter = SpanCutter(room, self.overlap)
        held = _Held()
        counter = _UnknownCounter(self.encoder.unknown)
        for piece, first, last in self.encoder.stream(chunks):
            counter.add(piece, first, last)
            held.add(piece, first, last)
            for region, core in cutter.grow(held.extent):
                yield self._window(held, frame, region, core, last=False)
                held.forget(region.start + room - self.overlap)
        ending = list(cutter.finish())
        for region, core in ending:
            last_one = region is ending[-1][0]
            window = self._window(held, frame, region, core, last=last_one)
            yield replace(window, unknown=counter.total) if last_one else window

    def _window(
        self, held: _Held, frame: Frame, region: Span, core: Span, *, last: bool
    ) -> TokenWindow:
        start = held.characters(region.start)[0] if region.start else 0
        stop = held.stop if last else held.characters(region.stop - 1)[1]
        return TokenWindow(
            ids=frame.around(*held.ids(region)),
            first=len(frame.prefix),
            region=region,
            core=core,
            characters=Span(start, stop),
            last=last,
            types=frame.types(region.size) if self.types else None,
            places=held.places(region) if self.places else None,
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
            core = Span(window.core.start, window.region.stop)
            yield replace(window, core=core, last=True)
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
        return (piece.ids[start:stop] for piece, start, stop in self._parts(region))

    def places(self, region: Span) -> Places:
        offsets, starts = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.bool_)]
        for piece, start, stop in self._parts(region):
            offsets.append(piece.places.offsets[start:stop])
            starts.append(piece.places.starts[start:stop])
        return Places(np.concatenate(offsets), np.concatenate(starts))

    def _parts(self, region: Span) -> Iterator[tuple[Piece, int, int]]:
        for begin, piece, first, last in self._runs:
            start = max(region.start - begin + first, first)
            stop = min(region.stop - begin + first, last)
            if start < stop:
                yield piece, start, stop

    def characters(self, token: int) -> tuple[int, int]:
        for begin, piece, first, last in self._runs:
            if token < begin + last - first:
                return piece.characters(token - begin + first)
        raise IndexError(token)
