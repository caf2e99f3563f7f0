"""Markdown: the file's own text, so that offsets are those of the file; headings are sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from anysize.readers.documents.parts import Part, Place
from anysize.readers.documents.sizes import file_size
from anysize.readers.text import Text

PROVIDES = ("md", "markdown")

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LONGEST_LINE = 4096
"""Characters of a line that may be a heading; in longer ones none is looked for."""


def size_hint(path: Path) -> int:
    """The bytes of the file."""
    return file_size(path)


def parts(path: Path, encoding: str) -> Iterator[Part]:
    """See ``documents.parts.Format``.

    Raises:
        DataError: it cannot be read or decoded.
    """
    sections = _Sections()
    for line in _lines(Text(path, encoding=encoding)):
        yield from sections.line(line)
    yield from sections.rest()


class _Sections:
    """Lines, and before those that begin a section where they lie.

    A line is held until the next one is known, which may underline it.
    """

    def __init__(self) -> None:
        self._held = ""
        self._fence = ""

    def line(self, line: str) -> Iterator[Part]:
        """The next line, or a piece of a long one."""
        text = line.rstrip("\r\n")
        fence = _FENCE.match(text)
        if self._fence:
            if fence and fence[1].startswith(self._fence) and not text.strip(" `~"):
                self._fence = ""
            yield from self._pass(line)
            return
        if fence:
            self._fence = fence[1]
            yield from self._pass(line)
            return
        heading = _HEADING.fullmatch(text) if len(text) <= _LONGEST_LINE else None
        if heading:
            yield from self._pass("")
            yield Place({"section": (heading[2] or "").strip()})
            yield line
        elif self._held.strip() and _UNDERLINE.fullmatch(text):
            yield Place({"section": self._held.strip()})
            yield from self._pass(line)
        else:
            yield from self.rest()
            self._held = line

    def rest(self) -> Iterator[Part]:
        """What is held."""
        yield from self._pass("")

    def _pass(self, line: str) -> Iterator[Part]:
        text, self._held = self._held + line, ""
        if text:
            yield text


def _lines(text: Text) -> Iterator[str]:
    """Lines with their ends; long ones in pieces, which are no headings."""
    held = ""
    for chunk in text.chunks():
        *whole, held = (held + chunk).splitlines(keepends=True) or [""]
        yield from whole
        if held.endswith("\n") or len(held) > 16 * _LONGEST_LINE:
            yield held
            held = ""
    if held:
        yield held
