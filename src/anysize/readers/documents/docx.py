"""DOCX (Office Open XML): paragraphs, lists and tables as text; headings are sections.

Only the text is read, by a parser that calls back for each tag, so that no tree is held. Footnotes
and endnotes come at the end. A DOCX file knows no pages: they are made when it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.readers.documents.parts import Part, Place, Remark
from anysize.readers.documents.zipped import Archive, opened, xml_library

PROVIDES = ("docx",)

_KIND = "a DOCX document"
_MAIN = "word/document.xml"
_ENDING = {"word/footnotes.xml": "footnotes", "word/endnotes.xml": "endnotes"}
_LEFT_OUT = {"word/comments.xml": "comments", "word/header1.xml": "headers"}
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SPECIAL = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\u2011", "softHyphen": "\u00ad"}
_LONGEST_HEADING = 300


def size_hint(path: Path) -> int:
    """The bytes of its XML, unpacked."""
    with opened(path, _KIND) as archive:
        return sum(map(archive.size, (_MAIN, *_ENDING)))


def parts(path: Path, encoding: str) -> Iterator[Part]:
    """See ``documents.parts.Format``."""
    with opened(path, _KIND) as archive:
        headings = _headings(archive)
        target = _Target(headings)
        yield from _read(archive, _MAIN, target)
        for member, name in _ENDING.items():
            if member in archive:
                yield Place({"section": name})
                yield from _read(archive, member, _Target(frozenset(), before="\n"))
        left_out = [name for member, name in _LEFT_OUT.items() if member in archive]
        if left_out:
            yield Remark(notes=(f"not part of the text and left out: {', '.join(left_out)}",))
        if target.deleted:
            yield Remark(
                notes=(f"{target.deleted} stretches that were deleted with changes tracked are "
                       "left out",)
            )  # fmt: skip


def _read(archive: Archive, member: str, target: _Target) -> Iterator[Part]:
    """The text of one member.

    Raises:
        DataError: it is not well-formed XML, or declares entities.
    """
    etree = xml_library()
    parser = etree.XMLParser(
        target=target, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        for piece in archive.pieces(member):
            parser.feed(piece)
            yield from target.take()
        parser.close()
    except etree.XMLSyntaxError as error:
        raise DataError(str(archive.path), f"its member {member!r} is damaged: {error}") from None
    except _DeclaredError:
        raise DataError(
            str(archive.path), f"its member {member!r} has a document type, which no DOCX has"
        ) from None
    yield from target.take()


class _DeclaredError(Exception):
    """A document type: the way to declare entities."""


class _Target:
    """What the parser calls.

    Args:
        headings: identifiers of the paragraph styles that are headings.
        before: what divides the first paragraph from what came before.
    """

    def __init__(self, headings: frozenset[str], before: str = "") -> None:
        self.deleted = 0
        self._headings = headings
        self._found: list[Part] = []
        self._line: list[str] = []
        self._before = before
        self._style = ""
        self._reading = False
        self._skipping = 0
        self._cells = 0

    def doctype(self, name: str, public: str, system: str) -> None:
        """A document type."""
        raise _DeclaredError

    def start(self, tag: str, attributes: Any) -> None:
        """An element begins."""
        if self._skipping or tag == _FALLBACK:  # the same text box once more, for old programs
            self._skipping += 1
            return
        name = _name(tag)
        if name == "t":
            self._reading = True
        elif name in _SPECIAL:
            self._line.append(_SPECIAL[name])
        elif name == "p":
            self._paragraph()
        elif name == "pStyle":
            self._style = _value(attributes)
        elif name == "delText":
            self.deleted += 1
        elif name == "tr":
            self._cells = 0

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._skipping:
            self._skipping -= 1
            return
        name = _name(tag)
        if name == "t":
            self._reading = False
        elif name == "p":
            self._paragraph()

    def data(self, text: str) -> None:
        """Characters."""
        if self._reading and not self._skipping:
            self._line.append(text)

    def close(self) -> None:
        """The member ends."""
        self._paragraph()

    def take(self) -> list[Part]:
        """What has come together since the last time."""
        found, self._found = self._found, []
        return found

    def _paragraph(self) -> None:
        """A paragraph is whole, or another one begins inside of it."""
        words, style = "".join(self._line), self._style
        self._line.clear()
        self._style = ""
        if not words:
            return
        if self._before:
            self._found.append(self._before)
        if style in self._headings:
            name = " ".join(words.split())[:_LONGEST_HEADING]
            self._found.append(Place({"section": name}))
        self._found.append(words)
        self._before = "\n"


def _headings(archive: Archive) -> frozenset[str]:
    """Identifiers of the styles that are headings: they are called so, or have an outline level."""
    if "word/styles.xml" not in archive:
        return frozenset()
    found = set()
    for style in archive.tree("word/styles.xml").iter():
        if _name(style.tag) != "style":
            continue
        for each in style.iter():
            name = _name(each.tag)
            called = name == "name" and _value(each.attrib).lower().startswith(("heading", "title"))
            level = name == "outlineLvl" and _value(each.attrib) in "012345678"
            if called or level:
                found.add(next((v for k, v in style.attrib.items() if k.endswith("}styleId")), ""))
    return frozenset(found - {""})


def _name(tag: Any) -> str:
    """A name of WordprocessingML without its namespace; empty for those of others."""
    if not isinstance(tag, str):
        return ""
    for space in (_W, _STRICT):
        if tag.startswith(space):
            return tag[len(space) :]
    return ""


def _value(attributes: Any) -> str:
    return next((str(value) for key, value in attributes.items() if key.endswith("}val")), "")
