"""EPUB: the chapters of a book in reading order (its spine), each a place of its own."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from anysize.core.errors import DataError
from anysize.readers.documents.markup import left_out_remark, text_of
from anysize.readers.documents.parts import Part, Place, Remark
from anysize.readers.documents.zipped import Archive, opened

PROVIDES = ("epub",)

_KIND = "an EPUB book"
_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset(("application/xhtml+xml", "text/html", "application/x-dtbook+xml"))
_LONGEST_TITLE = 300


def size_hint(path: Path) -> int:
    """The bytes of its chapters, unpacked."""
    with opened(path, _KIND) as archive:
        return sum(archive.size(name) for name in _Book(archive).chapters)


def parts(path: Path, encoding: str) -> Iterator[Part]:
    """See ``documents.parts.Format``."""
    with opened(path, _KIND) as archive:
        book = _Book(archive)
        if not book.chapters:
            raise DataError(str(path), "is an EPUB book without chapters: its spine is empty")
        yield Remark(notes=book.notes)
        begun = False
        left_out = Counter[str]()
        for number, name in enumerate(book.chapters, 1):
            title = book.titles.get(name, "")
            placed = False
            for part in text_of(archive.pieces(name), encoding, headings="first"):
                if isinstance(part, Remark):
                    left_out.update(part.counts)
                    yield Remark(notes=tuple(part.notes))
                elif isinstance(part, Place):
                    title = title or str(part.entries["first"])
                elif placed:
                    yield part
                elif part.strip():
                    if begun:
                        yield "\n\n"
                    yield Place({"chapter": (title or str(number))[:_LONGEST_TITLE]})
                    yield part
                    placed = begun = True
        yield Remark(counts={"chapters": len(book.chapters)})
        yield from left_out_remark(left_out)


class _Book:
    """What a book's package says of its chapters.

    Attributes:
        chapters: names of the members, in reading order.
        titles: of the members, by the table of contents.
        notes: chapters that are missing.

    Raises:
        DataError: it is not a book, or its chapters are encrypted.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        packages = _named(archive, _CONTAINER, "rootfile")
        package = unquote(packages[0].get("full-path", "")) if packages else ""
        root = archive.tree(package)
        folder = posixpath.dirname(package)
        items = {each.get("id", ""): each for each in _all(root, "item")}
        spine = [items.get(each.get("idref", "")) for each in _all(root, "itemref")]
        names = [
            _inside(folder, each.get("href", ""))
            for each in spine
            if each is not None and each.get("media-type", "") in _PAGES
        ]
        self.chapters = [name for name in names if name in archive]
        missing = len(spine) - len(self.chapters)
        self.notes: tuple[str, ...] = ()
        if missing:
            self.notes = (
                f"{missing} of {len(spine)} entries of the spine are left out: they are missing or "
                "not XHTML",
            )
        self._refuse_encrypted()
        self.titles = self._titles(folder, list(items.values()))

    def _titles(self, folder: str, items: list[Any]) -> dict[str, str]:
        """Titles of members: of the navigation document (EPUB 3), else of the NCX (EPUB 2)."""
        found: dict[str, str] = {}
        for item in items:
            name = _inside(folder, item.get("href", ""))
            if name not in self._archive:
                continue
            base = posixpath.dirname(name)
            try:
                if "nav" in (item.get("properties") or "").split():
                    pairs = _linked(self._archive.tree(name))
                elif item.get("media-type") == "application/x-dtbncx+xml":
                    pairs = _points(self._archive.tree(name))
                else:
                    continue
            except (DataError, AttributeError):
                continue  # the chapters' own headings then
            for target, title in pairs:
                found.setdefault(_inside(base, target), " ".join(title.split()))
        return {name: title for name, title in found.items() if title}

    def _refuse_encrypted(self) -> None:
        if _ENCRYPTION not in self._archive:
            return
        hidden = {
            unquote(each.get("URI", ""))
            for each in _named(self._archive, _ENCRYPTION, "CipherReference")
        }
        if hidden & set(self.chapters):
            raise DataError(
                str(self._archive.path),
                "is encrypted (digital rights management): its chapters cannot be read",
            )


def _linked(root: Any) -> list[tuple[str, str]]:
    """Targets and titles of a navigation document (EPUB 3)."""
    return [(each.get("href", ""), "".join(each.itertext())) for each in _all(root, "a")]


def _points(root: Any) -> list[tuple[str, str]]:
    """Targets and titles of an NCX (EPUB 2)."""
    return [
        (_first(each, "content").get("src", ""), "".join(_first(each, "text").itertext()))
        for each in _all(root, "navPoint")
    ]


def _named(archive: Archive, member: str, name: str) -> list[Any]:
    return _all(archive.tree(member), name)


def _all(root: Any, name: str) -> list[Any]:
    """Elements of a name, in whatever namespace."""
    return list(root.iter("{*}" + name))


def _first(root: Any, name: str) -> Any:
    return next(iter(_all(root, name)), None)


def _inside(folder: str, target: str) -> str:
    """The member that a reference means."""
    path = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join(folder, path)).lstrip("/")
