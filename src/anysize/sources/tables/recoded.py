"""Text in an encoding that is no extension of ASCII, written out once as UTF-8."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import BinaryIO

from anysize.core.errors import DataError
from anysize.core.progress import Progress
from anysize.readers.encodings import advice, mark_of, suggest
from anysize.sources.columns import Request
from anysize.sources.tables.spool import spooled

_BLOCK = 1 << 20
_BROKEN = "anysize-broken"


def text_encoding(path: Path, head: bytes, request: Request) -> str:
    """The encoding to read a table with.

    That is what its byte order mark or its NUL bytes show, else the one asked for. Another one than
    asked for is said.

    Raises:
        DataError: the encoding asked for cannot be the file's.
    """
    asked = request.encoding
    mark = mark_of(head)
    seen = mark[1] if mark is not None else None
    if seen is None and b"\0" in head[:1024]:
        seen = suggest(head[: len(head) & ~3])
        seen = seen if seen is not None and seen.startswith(("utf-16", "utf-32")) else None
    wide = asked.startswith(("utf-16", "utf-32"))
    if seen is None and wide and b"\0" not in head and _is_utf8(head):
        raise DataError(str(path), f"is not {asked}; {advice(head, asked)}")
    if seen is None or seen == asked or (wide and asked.startswith(seen)):
        return asked
    request.findings.add(
        "encoding-found",
        f"{request.named(path)} is read as {seen}, as its first bytes show, not as {asked}",
        level="note",
        unit="files",
    )
    return seen


def recoded(path: Path, file: Path, encoding: str, request: Request) -> Path:
    """The file's text as UTF-8, in the cache. What cannot be decoded spoils its rows alone.

    Raises:
        DataError: too large for the cache.
    """
    if _BROKEN not in _registered:
        codecs.register_error(_BROKEN, _mark_broken)
        _registered.add(_BROKEN)

    def write(source: BinaryIO, out: BinaryIO) -> None:
        decoder = codecs.getincrementaldecoder(encoding)(_BROKEN)
        progress = Progress(f"converting {path} to UTF-8, once", file.stat().st_size, "bytes")
        while True:
            data = source.read(_BLOCK)
            text = decoder.decode(data, final=not data)
            out.write(text.encode("utf-8", "surrogatepass"))
            progress.at(source.tell())
            if not data:
                break
        progress.end(source.tell())

    return spooled(path, file, "utf8", request, write, encoding=encoding)


_registered: set[str] = set()


def _mark_broken(error: UnicodeError) -> tuple[str, int]:
    """Puts a lone surrogate, which is not valid in UTF-8, where bytes cannot be decoded."""
    end = error.end if isinstance(error, UnicodeDecodeError) else 0
    return "\udfff", end


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
