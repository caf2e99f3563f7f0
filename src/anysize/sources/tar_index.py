"""The index of a tar archive's pictures: built in one pass, kept while the archive is the same.

Behind the cache file's head (``rows``, ``positions``) come the rows, then their bounds. A row is
the picture's offset and size (uint64), the length of its label (uint16), the label, and its name,
both in UTF-8.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from anysize.core.errors import DataError
from anysize.core.files import replacing
from anysize.core.progress import Progress
from anysize.sources.cache import HEAD, cache_file, kept_facts, signature, write_facts
from anysize.sources.offsets import WORD, Offsets, RandomFile
from anysize.sources.stores import ByteRows
from anysize.sources.tar_members import Member, members

LARGEST_LABEL = 4096
"""Bytes of a ``.cls`` file at most."""

_VERSION = 1
_HELD = 1 << 15
_ROW = struct.Struct("<QQH")
_NO_LABEL = 0xFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture in an archive.

    Attributes:
        name: of the member.
        offset, size: of its bytes in the archive.
        label: what the ``.cls`` file beside it says; None without one.
    """

    name: str
    offset: int
    size: int
    label: str | None


class BriefFile(RandomFile):
    """A file that is opened for every read.

    A data set may have thousands of shards, and a process about a thousand open files.
    """

    def read(self, start: int, size: int) -> bytes:
        return RandomFile(self.path, self._size).read(start, size)


class TarIndex:
    """The pictures of an archive by position.

    Args:
        data: the index file.
        bounds: of its rows.
    """

    def __init__(self, data: RandomFile, bounds: Offsets) -> None:
        self._data = data
        self._bounds = bounds

    def __len__(self) -> int:
        return len(self._bounds)

    def __getitem__(self, index: int) -> Entry:
        start, stop = self._bounds[index]
        return _parsed(self._data.read(start, stop - start))

    def block(self, start: int, stop: int) -> Iterator[Entry]:
        """The entries ``[start, stop)``, which are read together."""
        if start >= stop:
            return
        bounds = self._bounds.block(start, stop).tolist()
        rows = self._data.read(bounds[0], bounds[-1] - bounds[0])
        for low, high in pairwise(bounds):
            yield _parsed(rows[low - bounds[0] : high - bounds[0]])


def tar_index(path: Path, suffixes: frozenset[str], cache: Path | None) -> TarIndex:
    """The index of an archive, from the cache where it is valid, else built.

    Args:
        path: the archive.
        suffixes: of the files that are records, in lower case, with the dot.
        cache: folder of the index; None is the user's cache folder.

    Raises:
        DataError: not a tar archive, damaged, or a label that is too long.
    """
    try:
        with path.open("rb") as file:
            signed = signature(file, version=_VERSION, suffixes=sorted(suffixes))
            target = cache_file(path, "tar", cache)
            facts = kept_facts(target, signed)
            if facts is None:
                with replacing(target, durable=False) as out:
                    facts = _build(path, file, suffixes, out)
                    write_facts(out, signed, **facts)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
    rows, base = facts["rows"], facts["positions"]
    data = BriefFile(target, base + WORD * (rows + 1))
    return TarIndex(data, Offsets(data, base, rows))


def _build(path: Path, file: BinaryIO, suffixes: frozenset[str], out: BinaryIO) -> dict[str, int]:
    out.write(b" " * HEAD)
    place = HEAD
    rows = 0
    held = array("Q", [place])
    bounds = ByteRows()
    size = os.fstat(file.fileno()).st_size
    progress = Progress(f"indexing {path}, once", size, "bytes")
    for entry in _entries(path, file, suffixes):
        row = _row(entry)
        out.write(row)
        place += len(row)
        rows += 1
        held.append(place)
        if len(held) == _HELD:
            bounds.append(held.tobytes())
            held = array("Q")
        progress.at(entry.offset + entry.size)
    progress.end(size)
    for block in (*bounds, held.tobytes()):
        out.write(block)
    return {"rows": rows, "positions": place}


def _entries(path: Path, file: BinaryIO, suffixes: frozenset[str]) -> Iterator[Entry]:
    """Pictures with the label of the sample that they belong to.

    A sample's files follow each other and have one name up to the first dot (the convention of
    WebDataset, https://github.com/webdataset/webdataset).
    """
    key, label = "", None
    pictures: list[Member] = []

    def sample() -> Iterator[Entry]:
        return (Entry(one.name, one.offset, one.size, label) for one in list(pictures))

    for member in members(path, file):
        folder, slash, name = member.name.rpartition("/")
        stem, _, extension = name.partition(".")
        if (found := folder + slash + stem) != key:
            yield from sample()
            key, label = found, None
            pictures.clear()
        if extension.lower() == "cls":
            label = _label(path, file, member)
        elif "." + extension.rpartition(".")[2].lower() in suffixes:
            pictures.append(member)
    yield from sample()


def _label(path: Path, file: BinaryIO, member: Member) -> str:
    where = f"{path}/{member.name}"
    if member.size > LARGEST_LABEL:
        raise DataError(where, f"has {member.size} bytes; a label has {LARGEST_LABEL} at most")
    try:
        return os.pread(file.fileno(), member.size, member.offset).decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise DataError(where, f"is not UTF-8 at byte {error.start}") from None


def _row(entry: Entry) -> bytes:
    label = b"" if entry.label is None else entry.label.encode()
    length = _NO_LABEL if entry.label is None else len(label)
    return _ROW.pack(entry.offset, entry.size, length) + label + entry.name.encode()


def _parsed(row: bytes) -> Entry:
    offset, size, length = _ROW.unpack_from(row)
    start = _ROW.size
    label = None
    if length != _NO_LABEL:
        label = row[start : start + length].decode()
        start += length
    return Entry(row[start:].decode(), offset, size, label)
