"""The bytes of a text table: the file itself, or a form of it in the cache that can be indexed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from anysize.core.errors import DataError
from anysize.readers.encodings import advice, likely, mark_of, suggest
from anysize.readers.scripts import EAST_ASIAN
from anysize.sources.columns import Request
from anysize.sources.tables.recoded import recoded, text_encoding

SAMPLE = 1 << 16
_NUL_SHARE = 20
_ANY_BYTES = ("cp1252", "iso8859-1", "iso8859-15", "cp1250", "cp850", "cp437", "mac-roman")
"""Encodings that nearly all bytes are letters in, whatever they were."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Text that can be read by position.

    Attributes:
        path: the file of its bytes.
        encoding: of the bytes: an extension of ASCII.
        start: bytes of the byte order mark at its beginning.
        sample: its first bytes, behind the mark.
    """

    path: Path
    encoding: str
    start: int
    sample: bytes


def stored_text(path: Path, request: Request) -> Stored:
    """Where the text of a table is; UTF-16, UTF-32 and the like are written out as UTF-8 once.

    Args:
        path: what the user calls it.
        request: its encoding, and where its bytes are if it was unpacked.

    Raises:
        DataError: empty, binary, or not in the encoding.
    """
    file = request.stored or path
    head = _head(file)
    encoding = text_encoding(path, head, request)
    if not _is_ascii_based(encoding):
        file, encoding = recoded(path, file, encoding, request), "utf-8"
        head = _head(file)
    mark = mark_of(head)
    start = len(mark[0]) if mark is not None else 0
    sample = head[start:]
    if not sample.strip():
        raise DataError(str(path), "is empty; a table needs a header or at least one row")
    # Elsewhere a NUL spoils one row.
    if b"\0" in sample.partition(b"\n")[0] or sample.count(0) * _NUL_SHARE > len(sample):
        raise DataError(
            str(path), f"contains NUL bytes, which a table must not; {advice(sample, encoding)}"
        )
    _doubt(path, sample, encoding, request)
    return Stored(path=file, encoding=encoding, start=start, sample=sample)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), SAMPLE, 0)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None


def _is_ascii_based(encoding: str) -> bool:
    return ',"\n\t\\'.encode(encoding) == b',"\n\t\\'


def _doubt(path: Path, sample: bytes, encoding: str, request: Request) -> None:
    """Notes an encoding that does not fit the first rows."""
    cut = sample[: sample.rfind(b"\n") + 1] or sample
    if cut.isascii():
        return
    name = request.named(path)
    try:
        cut.decode(encoding)
    except UnicodeDecodeError:
        found = suggest(cut)
        if found is not None and found != encoding:
            request.findings.add(
                "encoding",
                f"{name} is not wholly {encoding} and looks like {likely(found)}: rows that cannot "
                "be decoded are left out",
                unit="files",
                remedy=f"read it with --encoding {found}",
            )
        return
    found = suggest(cut)
    if encoding != "utf-8" and found == "utf-8":
        guess = found
    elif encoding in _ANY_BYTES and found in EAST_ASIAN:
        guess = likely(found)
    else:
        return
    request.findings.add(
        "encoding",
        f"{name} is read as {encoding} but looks like {guess}: its letters are read wrongly",
        unit="files",
        remedy=f"read it with --encoding {found}",
    )
