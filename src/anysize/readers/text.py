"""Text as a stream: a string of a table, or a whole file of any size that is never loaded."""

from __future__ import annotations

import codecs
import os
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.readers.encodings import advice, canonical, mark_of

PIECE = 1 << 16
"""Characters (of a string) or bytes (of a file) that one chunk is made of at most."""

# One lock for all, so that fields stay small and can be pickled; it is taken once a megabyte.
_MARKING = threading.Lock()


class Text:
    """A text field (``anysize.core.records.TextField``).

    Offsets count characters of the decoded text; a byte order mark is not part of it and line
    ends are kept as they are. Safe to use from several threads.

    Args:
        content: the text itself (``str``), or the file that holds it (``Path``).
        origin: what messages call it; a file's own path by default.
        encoding: of the file. A UTF-8 byte order mark is skipped.

    Raises:
        ConfigurationError: no such encoding.
    """

    __slots__ = ("_content", "_encoding", "_marks", "_origin", "_size")

    def __init__(
        self, content: str | Path, origin: str | None = None, encoding: str = "utf-8"
    ) -> None:
        self._content = content
        self._origin = origin or (str(content) if isinstance(content, Path) else "text")
        self._encoding = encoding if encoding == "utf-8" else canonical(encoding)
        # Where a reader may start over without decoding from the beginning; grows as the file
        # is streamed, one mark for each megabyte.
        self._marks: list[_Mark] = []
        self._size: int | None = None

    def __repr__(self) -> str:
        return f"Text({self._origin!r})"

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def size_hint(self) -> int:
        """An upper bound of the length in characters; for a file its size in bytes."""
        if isinstance(self._content, str):
            return len(self._content)
        if self._size is None:
            try:
                self._size = self._content.stat().st_size
            except OSError as error:
                raise _unreadable(self._origin, error) from None
        return self._size

    def chunks(self) -> Iterator[str]:
        """The text in order, in pieces of at most 65,536 characters.

        Raises:
            DataError: unreadable, not decodable (the byte offset is named), or with NUL characters
                or halves of characters (lone surrogates).
        """
        if isinstance(self._content, str):
            _refuse_unreadable(self._content, 0, self._origin, "")
            for start in range(0, len(self._content), PIECE):
                yield self._content[start : start + PIECE]
            return
        for _, piece in self._stream(None):
            yield piece

    def read(self, start: int, stop: int) -> str:
        """Characters ``[start, stop)``; less where the text ends earlier.

        A file is decoded from the last mark before ``start`` that earlier reading has left.

        Raises:
            DataError: as ``chunks``.
        """
        if start < 0 or stop < start:
            raise ValueError(f"need 0 <= start <= stop, not start={start}, stop={stop}")
        if isinstance(self._content, str):
            _refuse_unreadable(self._content, 0, self._origin, "")
            return self._content[start:stop]
        if start == stop:
            return ""
        marks = self._marks
        place = bisect_right(marks, start, key=lambda mark: mark.characters) - 1
        parts: list[str] = []
        for at, piece in self._stream(marks[place] if place >= 0 else None):
            if at >= stop:
                break
            if at + len(piece) > start:
                parts.append(piece[max(start - at, 0) : stop - at])
        return "".join(parts)

    def _stream(self, mark: _Mark | None) -> Iterator[tuple[int, str]]:
        """Pieces with the offset of their first character, from a mark or from the start."""
        assert isinstance(self._content, Path)
        decoder: Any
        try:
            file = self._content.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(self._origin, error) from None
        with file:
            if mark is None:
                encoding = self._encoding
                head = os.pread(file.fileno(), 4, 0)
                found = mark_of(head)
                place = 0
                if found is not None and self._encoding == "utf-8":
                    encoding = found[1]
                    # The codecs of the wider encodings read the mark themselves.
                    place = len(found[0]) if encoding == "utf-8" else 0
                mark = _Mark(characters=0, place=place, state=(b"", 0), encoding=encoding)
            encoding = mark.encoding
            decoder = codecs.getincrementaldecoder(encoding)("strict")
            if mark.characters:
                decoder.setstate(mark.state)
            characters, place = mark.characters, mark.place
            file.seek(place)
            while True:
                try:
                    data = file.read(PIECE)
                except OSError as error:
                    raise _unreadable(self._origin, error) from None
                pending = decoder.getstate()[0]
                try:
                    piece = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    at = place - len(pending) + error.start
                    sample = os.pread(file.fileno(), 4096, max(at - 2048, 0) & ~3)
                    raise DataError(
                        self._origin,
                        f"cannot be decoded as {encoding}: {error.reason} at byte {at}; "
                        + advice(sample, encoding),
                    ) from None
                place += len(data)
                if piece:
                    if "\0" in piece:
                        sample = os.pread(file.fileno(), 4096, 0)
                        remedy = advice(sample, encoding)
                        _refuse_unreadable(piece, characters, self._origin, remedy)
                    yield characters, piece
                    characters += len(piece)
                if not data:
                    return
                self._mark(characters, place, decoder, encoding)

    def _mark(self, characters: int, place: int, decoder: Any, encoding: str) -> None:
        with _MARKING:
            last = self._marks[-1].place if self._marks else 0
            if place - last >= 16 * PIECE:
                self._marks.append(
                    _Mark(
                        characters=characters,
                        place=place,
                        state=decoder.getstate(),
                        encoding=encoding,
                    )
                )


@dataclass(frozen=True, slots=True)
class _Mark:
    """After ``place`` bytes, ``characters`` characters are decoded, the decoder in ``state``."""

    characters: int
    place: int
    state: tuple[bytes, int]
    encoding: str


def _refuse_unreadable(text: str, start: int, origin: str, remedy: str) -> None:
    """Raises a ``DataError`` for characters that no tokenizer takes: NUL, and lone surrogates."""
    place = text.find("\0")
    if place >= 0:
        raise DataError(
            origin,
            f"text must not contain NUL characters, found one at character {start + place}"
            + (f"; {remedy}" if remedy else ""),
        )
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            origin,
            f"text must not contain half of a character (U+{ord(text[error.start]):04X}), as where "
            f"an emoji was cut; found one at character {start + error.start}",
        ) from None


def _unreadable(origin: str, error: OSError) -> DataError:
    return DataError(origin, f"cannot be read: {error.strerror or error}")
