"""What lies where in a tar archive: found in one pass over its headers, contents skipped.

Headers are read by Python's ``tarfile`` (ustar, GNU and POSIX long names and sizes). It ends
without a word at a damaged header and reads a header's extensions whole, whatever size they claim;
both are guarded against here. Names are never used as paths on a disk.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anysize.core.errors import DataError
from anysize.readers.encodings import printable

LARGEST_HEADER = 1 << 20
"""Bytes of the extension of one header at most (1 MiB): a long name, a list of attributes."""

_BLOCK = 512
_DEEPEST = 2
_COMPRESSED = {b"\x1f\x8b": "gunzip", b"BZ": "bunzip2", b"\xfd7": "unxz", b"(\xb5": "unzstd"}


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive.

    Attributes:
        name: as the archive has it, behind the names of the archives that it is nested in.
        offset: of its content in the outermost file.
        size: of its content in bytes.
    """

    name: str
    offset: int
    size: int


class _Slice(io.RawIOBase):
    """A part of a file as a file of its own that refuses to be read in large pieces."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def read(self, size: int = -1) -> bytes:
        rest = max(self._size - self._place, 0)
        wanted = rest if size < 0 else min(size, rest)
        if wanted > LARGEST_HEADER:
            raise tarfile.ReadError(
                f"a header claims {wanted} bytes, of which {LARGEST_HEADER} are read at most"
            )
        data = os.pread(self._descriptor, wanted, self._start + self._place)
        self._place += len(data)
        return data


def members(path: Path, file: BinaryIO) -> Iterator[Member]:
    """The regular files of an archive, those of archives inside it included, in order.

    Args:
        path: for messages.
        file: the open archive.

    Raises:
        DataError: not an uncompressed tar archive, truncated or damaged.
    """
    descriptor = file.fileno()
    remedy = _COMPRESSED.get(os.pread(descriptor, 2, 0))
    if remedy is not None:
        raise DataError(
            str(path),
            f"is compressed, but records are read at random: unpack it first ({remedy})",
        )
    yield from _walk(path, descriptor, Member("", 0, os.fstat(descriptor).st_size), 1)


def _walk(path: Path, descriptor: int, outer: Member, depth: int) -> Iterator[Member]:
    part = _Slice(descriptor, outer.offset, outer.size)
    where = f"{path}/{outer.name}" if outer.name else str(path)
    try:
        with tarfile.open(fileobj=part, mode="r:") as archive:
            while (entry := archive.next()) is not None:
                # The list would grow with the archive.
                archive.members.clear()  # type: ignore[attr-defined]
                if not entry.isreg() or entry.issparse():
                    continue
                if entry.offset_data + entry.size > outer.size:
                    raise DataError(f"{where}/{_clean(entry.name)}", "is cut off: the file ends")
                name = f"{outer.name}/{_clean(entry.name)}".lstrip("/")
                member = Member(name, outer.offset + entry.offset_data, entry.size)
                if name.lower().endswith(".tar") and depth < _DEEPEST:
                    yield from _walk(path, descriptor, member, depth + 1)
                else:
                    yield member
            _refuse_garbage(where, part, archive.offset)
    except tarfile.TarError as error:
        raise DataError(where, f"is not a tar archive, or damaged: {error}") from None


def _refuse_garbage(where: str, part: _Slice, end: int) -> None:
    """Raises where an archive ends with anything else than a block of zeros, or its file."""
    part.seek(end)
    if any(part.read(_BLOCK)):
        raise DataError(where, f"is damaged: at byte {end} there is no header of a member")


def _clean(name: str) -> str:
    """A member's name without ``./`` in front and in UTF-8."""
    plain = name.removeprefix("./").lstrip("/")
    return printable(plain)
