"""The entries of the arrays in a large JSON object, one after the other, in bounded memory."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

from anysize.core.errors import DataError

CHUNK = 1 << 20
SEPARATOR = "\x1e"
"""Before each value of a JSON text sequence (RFC 7464)."""

_BLANKS = re.compile(r"[ \t\n\r]*")
# A value that does not end within this many characters is not an entry of a list of annotations.
_LONGEST = 1 << 26


def sections(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, int, Any]]:
    """``(key, place, entry)`` for each entry of the wanted arrays of the object in a file.

    Each wanted array begins with ``(key, -1, None)``, so that empty ones are seen too. Other
    values are passed over.

    Raises:
        DataError: not a JSON object, a wanted key that has no array, or damaged JSON.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _Stream(file, str(path)).sections(wanted)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"is not UTF-8 at byte {error.start} of a block") from None


def entries(file: TextIO, origin: str) -> Iterator[Any]:
    """The entries of an array.

    Raises:
        DataError: not a JSON array, or damaged.
    """
    stream = _Stream(file, origin)
    yield from stream.entries()
    stream.end()


def arrays(file: TextIO, origin: str) -> Iterator[tuple[str, Any]]:
    """Each entry of the arrays in an object, with the array's key; other values are passed over.

    Raises:
        DataError: not a JSON object, or damaged.
    """
    stream = _Stream(file, origin)
    yield from stream.arrays()
    stream.end()


def values(file: TextIO, origin: str) -> Iterator[Any]:
    """Values one after the other, with nothing, blanks, a comma or a record separator between.

    Raises:
        DataError: damaged JSON.
    """
    yield from _Stream(file, origin).values()


class _Stream:
    """A window over the text of a file."""

    def __init__(self, file: TextIO, origin: str) -> None:
        self._file = file
        self._origin = origin
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._before = 0

    def sections(self, wanted: Collection[str]) -> Iterator[tuple[str, int, Any]]:
        self._take("{")
        if self._peek() == "}":
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise self._wrong("a key in quotes was expected")
            self._take(":")
            if key in wanted:
                if self._peek() != "[":
                    raise self._wrong(f"{key!r} must be an array")
                yield key, -1, None
                for place, entry in enumerate(self.entries()):
                    yield key, place, entry
            elif self._peek() == "[":
                for _ in self.entries():
                    pass
            else:
                self._value()
            if self._take(",}") == "}":
                return

    def arrays(self) -> Iterator[tuple[str, Any]]:
        self._take("{")
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise self._wrong("a key in quotes was expected")
            self._take(":")
            if self._peek() == "[":
                for entry in self.entries():
                    yield key, entry
            else:
                self._value()
            if self._take(",}") == "}":
                return

    def values(self) -> Iterator[Any]:
        while self._peek() and self._pass(SEPARATOR):
            yield self._value()
            if self._peek() == ",":
                self._at += 1

    def _pass(self, sign: str) -> bool:
        """Goes behind a sign, if it is there; whether there is more."""
        if self._peek() == sign:
            self._at += 1
        return bool(self._peek())

    def end(self) -> None:
        """Refuses anything but blanks behind the value."""
        if self._peek():
            raise self._wrong("there is more behind its end; write one object a line, or an array")

    def entries(self) -> Iterator[Any]:
        self._take("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._take(",]") == "]":
                return

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                # It may only be cut off by the end of the chunk.
                if len(self._text) - self._at > _LONGEST or not self._more():
                    raise self._wrong(getattr(error, "msg", "nested too deeply")) from None
                continue
            except ValueError:
                raise self._wrong("a number has too many digits") from None
            # A number at the chunk's end may go on.
            if end == len(self._text) and self._more():
                continue
            self._at = end
            return value

    def _peek(self) -> str:
        """The next character that is not a blank; empty at the end."""
        while True:
            match = _BLANKS.match(self._text, self._at)
            self._at = match.end() if match is not None else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, expected: str) -> str:
        found = self._peek()
        if not found or found not in expected:
            shown = repr(found) if found else "the end of the file"
            raise self._wrong(f"{' or '.join(map(repr, expected))} was expected, not {shown}")
        self._at += 1
        return found

    def _more(self) -> bool:
        # A long value is read again from its beginning: doubling keeps that linear.
        chunk = self._file.read(max(CHUNK, len(self._text) - self._at))
        if not chunk:
            return False
        self._before += self._at
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return True

    def _wrong(self, problem: str) -> DataError:
        return DataError(
            self._origin, f"is not valid JSON at character {self._before + self._at}: {problem}"
        )
