"""Translation memories (TMX 1.4): units with a text in each of several languages.

A unit is a record. The file is looked through once, for where its units are; each is parsed by
itself, without entities but XML's own, so that no file can make more of itself than it is.
``--columns source=en,target=de`` names the languages; without it they are those of the header
(``srclang``) and of the first units.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import Record, Source
from anysize.readers.text import Text
from anysize.sources.bounded import BoundedRecords
from anysize.sources.columns import Request
from anysize.sources.languages import same_language

PROVIDES = ("tmx",)

_SOURCE, _TARGET = "source", "target"
PIECE = 1 << 20
"""Bytes of the file that are looked through at a time."""
_UNIT = re.compile(rb"<tu(?=[\s>])|</tu\s*>")
_HEADER = re.compile(rb"""srclang\s*=\s*["']([^"']+)["']""")
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([^"']+)["']""")
_OVERLAP = 256
_LOOKED_AT = 64
"""Units whose languages are looked at."""
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def open_path(path: Path, request: Request) -> Source:
    """Opens a translation memory; a unit is a record.

    Raises:
        DataError: no unit, not UTF-8, or the task reads no pairs of texts.
        ConfigurationError: a language that none of the first units has.
    """
    if not {_SOURCE, _TARGET} <= {spec.role for spec in request.roles}:
        raise DataError(str(path), "a .tmx file has pairs of texts: it is for translation")
    return MemoryOfTranslations(path, request)


class MemoryOfTranslations(BoundedRecords):
    """The units of a file, one record each; what is held are their places in it.

    Args:
        path: the file.
        request: languages, and what ids are relative to.
    """

    target_role = _TARGET

    def __init__(self, path: Path, request: Request) -> None:
        with path.open("rb") as file:
            head = file.read(1 << 16)
            _check_encoding(head, str(path))
            file.seek(0)
            bounds = _units(iter(lambda: file.read(PIECE), b""))
        if not len(bounds):
            raise DataError(str(path), "has no unit (<tu> … </tu>)")
        super().__init__(path, request, bounds, "unit")
        self.roles = self._languages(head, request)

    def settings(self) -> str:
        return str(sorted(self.roles.items()))

    def __getitem__(self, index: int) -> Record:
        texts, origin = self._texts(index), self.record_id(index)
        source = _of_language(texts, self.roles[_SOURCE])
        if not source:
            others = [name or "one that is not named" for name, text in texts.items() if text]
            only = f", only in {', '.join(others)}" if others else ""
            raise DataError(origin, f"has no text in {self.roles[_SOURCE]!r}{only}")
        return Record(
            id=origin,
            fields={_SOURCE: Text(source, origin)},
            target=_of_language(texts, self.roles[_TARGET]) or None,
        )

    def _texts(self, index: int) -> dict[str, str]:
        """The texts of a unit by language.

        Raises:
            DataError: it is too large or not XML.
        """
        raw = self.raw(index)
        try:
            # Without the document's own head there are no entities that it could define.
            unit: Any = ElementTree.fromstring(raw)
        except ElementTree.ParseError as error:
            raise DataError(self.record_id(index), f"is not XML: {error}") from None
        found: dict[str, str] = {}
        for variant in unit.iter("tuv"):
            language = variant.get(_XML_LANG) or variant.get("lang") or ""
            segment = variant.find("seg")
            if segment is not None and language not in found:
                found[language] = "".join(segment.itertext()).strip()
        return found

    def _first_texts(self) -> tuple[dict[str, str], DataError | None]:
        """A text in each language of the first units; and what is wrong with one of these."""
        found: dict[str, str] = {}
        fault: DataError | None = None
        for index in range(min(len(self), _LOOKED_AT)):
            try:
                texts = self._texts(index)
            except DataError as error:
                fault = fault or error
                continue
            found.update((name, texts[name]) for name in texts if name and name not in found)
        return found, fault

    def _languages(self, head: bytes, request: Request) -> dict[str, str]:
        """Source and target language.

        Raises:
            ConfigurationError: one is named that none of the first units has.
            DataError: the first units have no two languages.
        """
        first, fault = self._first_texts()
        header = _HEADER.search(head)
        own = header[1].decode("utf-8", "replace") if header else ""
        default = own if _of_language(first, own) is not None else next(iter(first), "")
        source = request.columns.get(_SOURCE, default)
        others = [each for each in first if not same_language(each, source)]
        target = request.columns.get(_TARGET, others[0] if others else "")
        wrong = [
            f"--columns {role}={language}: the first units of {self.name} have no such language; "
            f"they have {', '.join(first)}"
            for role, language in ((_SOURCE, source), (_TARGET, target))
            if role in request.columns and _of_language(first, language) is None
        ]
        if wrong:
            raise ConfigurationError(wrong)
        if fault is not None and not (source and target):
            raise fault
        if not source or not target:
            raise DataError(self.name, "its first units have texts in fewer than two languages")
        return {_SOURCE: source, _TARGET: target}


def _units(pieces: Iterator[bytes]) -> NDArray[np.int64]:
    """Where the units of a file begin and end, int64 ``[units, 2]``."""
    bounds: list[tuple[int, int]] = []
    held, place, begin = b"", 0, -1
    for piece in itertools.chain(pieces, (b"",)):
        text = held + piece
        # A tag may lie across the end of a piece; what is looked at again is not counted twice.
        last = max(len(text) - _OVERLAP, 0) if piece else len(text)
        for found in _UNIT.finditer(text):
            if found.start() >= last:
                break
            if not found.group().startswith(b"</"):
                begin = place + found.start()
            elif begin >= 0:
                bounds.append((begin, place + found.end()))
                begin = -1
        held, place = text[last:], place + last
    return np.array(bounds, np.int64).reshape(-1, 2)


def _check_encoding(head: bytes, origin: str) -> None:
    found = _ENCODING.search(head[:256])
    named = found[1].decode("ascii", "replace").lower() if found else "utf-8"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or named not in ("utf-8", "utf8", "us-ascii"):
        shown = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else named
        raise DataError(
            origin, f"is in {shown}; translation memories are read in UTF-8: convert it (iconv)"
        )


def _of_language(texts: dict[str, str], language: str) -> str | None:
    """The text in a language: as it is named, else the first of its variants (en-US for en)."""
    if language in texts:
        return texts[language]
    return next(
        (text for name, text in texts.items() if language and same_language(name, language)), None
    )
