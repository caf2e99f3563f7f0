"""A document as a text field: a stream of characters that knows its pages or chapters."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.readers.documents import format_of
from anysize.readers.documents.kept import Kept
from anysize.readers.documents.parts import PIECE, Format, Part, Place, Remark
from anysize.readers.documents.places import Places
from anysize.readers.files import open_regular

_REPLACEMENT = "\ufffd"
_UNREADABLE = {0: _REPLACEMENT} | dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT)


class DocumentText:
    """A text field (``anysize.core.records.TextField``) of a document.

    Offsets count the characters of the text that reading it gives, which is the same each time.
    Characters that no tokenizer takes (NUL, halves of characters) are replaced by U+FFFD, one for
    one, and noted. ``place`` says on which page characters lie as soon as they have been read.
    Safe to use from several threads.

    Args:
        path: of the file; its suffix says the format.
        encoding: that the user names.
    """

    __slots__ = ("_encoding", "_format", "_kept", "_path", "_reading")

    def __init__(self, path: Path, encoding: str = "utf-8") -> None:
        found = format_of(path)
        if found is None:
            raise ValueError(f"{path} is not a document")
        self._path, self._encoding = path, encoding
        self._format: Format = found
        self._reading = Reading()
        self._kept = Kept(path, encoding) if getattr(found, "KEPT", False) else None

    def __repr__(self) -> str:
        return f"DocumentText({self.origin!r})"

    @property
    def origin(self) -> str:
        return str(self._path)

    @property
    def size_hint(self) -> int:
        """About how many characters there are at most; see ``Format.size_hint``."""
        if self._reading.complete:
            return self._reading.characters
        return max(self._format.size_hint(self._path), self._reading.characters)

    def chunks(self) -> Iterator[str]:
        """The text in order, in pieces of at most 65,536 characters.

        Raises:
            DataError: see ``Format.parts``.
            MissingExtraError: a library is not installed.
        """
        try:
            os.close(open_regular(self._path))
        except OSError as error:
            problem = error.strerror or error
            raise DataError(self.origin, f"cannot be read: {problem}") from None
        kept = None if self._kept is None else self._kept.open()
        if kept is not None:
            text, self._reading = kept
            yield from text.chunks()
            return
        reading = Reading()
        if not self._reading.complete:
            self._reading = reading
        with contextlib.ExitStack() as stack:
            keep = None if self._kept is None else stack.enter_context(self._kept.writing(reading))
            for piece in reading.pieces(self._format.parts(self._path, self._encoding)):
                if keep is not None:
                    keep(piece)
                yield piece
            reading.complete = True
        self._reading = reading

    def read(self, start: int, stop: int) -> str:
        """Characters ``[start, stop)``; less where the text ends earlier.

        Raises:
            DataError: as ``chunks``.
        """
        if start < 0 or stop < start:
            raise ValueError(f"need 0 <= start <= stop, not start={start}, stop={stop}")
        kept = None if self._kept is None else self._kept.open()
        if kept is not None:
            return kept[0].read(start, stop)
        found: list[str] = []
        at = 0
        with contextlib.closing(self.chunks()) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                if at >= stop:
                    break
                if at + len(piece) > start:
                    found.append(piece[max(start - at, 0) : stop - at])
                at += len(piece)
        return "".join(found)

    def place(self, start: int, stop: int) -> dict[str, Any]:
        """The page, chapter or section of characters ``[start, stop)``; see ``Places.of``."""
        return self._reading.places.of(start, stop)

    def notes(self) -> tuple[str, ...]:
        """What was left out or repaired, a plain sentence each; known once it has been read."""
        return self._reading.all_notes()

    def counts(self) -> Mapping[str, int]:
        """How many of what the document holds; known once it has been read."""
        return self._reading.counts


class Reading:
    """What is known of a document while it is read, and afterwards.

    Attributes:
        places, notes, counts: so far.
        characters: so far.
        complete: whether all of it was read.
    """

    def __init__(self) -> None:
        self.places = Places()
        self.notes: tuple[str, ...] = ()
        self.counts: dict[str, int] = {}
        self.characters = 0
        self.replaced = 0
        self.complete = False

    def pieces(self, parts: Iterator[Part]) -> Iterator[str]:
        """The pieces of text among the parts, none longer than a chunk may be; notes the others."""
        for part in parts:
            if isinstance(part, Place):
                self.places.add(self.characters, part.entries)
            elif isinstance(part, Remark):
                self.notes = tuple(dict.fromkeys([*self.notes, *part.notes]))
                self.counts |= part.counts
            else:
                for begin in range(0, len(part), PIECE):
                    piece = self._readable(part[begin : begin + PIECE])
                    # Before it is given out: a reader asks where it lies at once.
                    self.characters += len(piece)
                    yield piece

    def all_notes(self) -> tuple[str, ...]:
        """The notes, with those of what was replaced and of places that are not kept."""
        found = list(self.notes)
        if self.replaced:
            found.append(
                f"{self.replaced} characters that cannot be read (NUL, or halves of characters) "
                "were replaced by U+FFFD"
            )
        if self.places.beyond:
            found.append(
                f"{self.places.beyond} further pages or headings are not distinguished: places are "
                f"noted for the first {len(self.places)}"
            )
        return tuple(found)

    def _readable(self, piece: str) -> str:
        if piece.isascii() and "\0" not in piece:
            return piece
        try:
            piece.encode()
        except UnicodeEncodeError:
            pass
        else:
            if "\0" not in piece:
                return piece
        mended = piece.translate(_UNREADABLE)
        self.replaced += sum(one != other for one, other in zip(piece, mended, strict=True))
        return mended
