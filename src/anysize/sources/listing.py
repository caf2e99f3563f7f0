"""The files of a folder in natural order, listed in bounded memory."""

from __future__ import annotations

import errno
import heapq
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from anysize.core.errors import DataError
from anysize.sources.stores import ByteRows

_RUN = 1 << 16
_NAMED = 5
_MOST_SPECIAL = 1000
_SPECIAL = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISSOCK, "socket"),
)
_ABOUT = re.compile(
    r"(readme|licen[cs]e|changelog|contributing)[\w.-]*\.(md|markdown|html?|pdf|docx)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(\d+)")


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts ``2.jpg`` before ``10.jpg``."""
    parts: list[str | int] = list(_NUMBER.split(name))
    parts[1::2] = map(int, parts[1::2])
    # The name itself orders names that differ only in leading zeros.
    return parts, name


def is_about(name: str) -> bool:
    """Whether a document's name says that it is about the data beside it (``README.md``)."""
    return _ABOUT.fullmatch(name) is not None


def suffix_of(name: str) -> str:
    """``.jpg`` of ``A.JPG``; much faster than a ``Path`` for millions of names."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


@dataclass
class Skipped:
    """What a walk passed over.

    Attributes:
        suffixes: files by suffix.
        specials: what is no file: pipes, devices and links to nothing, with their kind.
        names: a few of the files.
    """

    suffixes: Counter[str] = field(default_factory=Counter)
    specials: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.suffixes:
            return "no files"
        most = self.suffixes.most_common(6)
        return ", ".join(f"{count} {suffix or '(no suffix)'}" for suffix, count in most)

    def file(self, path: str) -> None:
        """Counts a file of another kind."""
        self.suffixes[suffix_of(path)] += 1
        if len(self.names) < _NAMED:
            self.names.append(path)

    def without(self, suffixes: Collection[str]) -> Skipped:
        """The same but for files of these suffixes."""
        return replace(
            self,
            suffixes=Counter({key: n for key, n in self.suffixes.items() if key not in suffixes}),
            names=[name for name in self.names if suffix_of(name) not in suffixes],
        )

    def join(self, other: Skipped, prefix: str) -> None:
        """Adds what was passed over below ``prefix``."""
        self.suffixes.update(other.suffixes)
        self.names += [prefix + name for name in other.names[: _NAMED - len(self.names)]]
        for path, kind in other.specials.items():
            self.special(prefix + path, kind)

    def special(self, path: str, kind: str) -> None:
        """Notes what is no file."""
        if len(self.specials) < _MOST_SPECIAL:
            self.specials[path] = kind


def entry_kind(entry: os.DirEntry[str]) -> str:
    """``folder``, ``file``, or what else it is: a pipe, a device, a link to nothing."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        mode = entry.stat().st_mode
    except OSError as error:
        # A loop of links, or one to a place that may not be looked at.
        return "loop of links" if error.errno == errno.ELOOP else "broken link"
    return next((name for is_kind, name in _SPECIAL if is_kind(mode)), "special file")


def walk(folder: Path, suffixes: frozenset[str], skipped: Skipped) -> Iterator[str]:
    """Files below ``folder`` with one of the suffixes, in no order.

    Names that begin with a dot or ``__`` are left out; links to folders are followed, except into
    a folder that is being walked. Documents about the data (``README.md``) are passed over.

    Args:
        folder: where to begin.
        suffixes: in lower case, with the dot; an empty one is for files without, and those
            that have a number there.
        skipped: counts the other files, and what is no file.

    Yields:
        Relative paths with forward slashes.
    """
    stack = [("", frozenset[tuple[int, int]]())]
    while stack:
        prefix, above = stack.pop()
        here = folder / prefix if prefix else folder
        try:
            status = here.stat()
            inode = (status.st_dev, status.st_ino)
            if inode in above:
                skipped.special(prefix.rstrip("/"), "loop of links")
                continue
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "__")):
                        continue
                    kind = entry_kind(entry)
                    suffix = suffix_of(entry.name)
                    if kind == "folder":
                        stack.append((f"{prefix}{entry.name}/", above | {inode}))
                    elif kind != "file":
                        skipped.special(prefix + entry.name, kind)
                    elif is_about(entry.name):
                        skipped.file(prefix + entry.name)
                    elif suffix in suffixes or ("" in suffixes and suffix[1:].isdecimal()):
                        yield prefix + entry.name
                    else:
                        skipped.file(prefix + entry.name)
        except OSError as error:
            raise DataError(str(here), f"cannot be listed: {error.strerror or error}") from None


def sorted_rows(names: Iterator[str], run: int = _RUN) -> Iterator[str]:
    """``names`` in natural order: runs are sorted in memory, written out and merged."""
    runs: list[ByteRows] = []
    held: list[str] = []
    for name in names:
        held.append(name)
        if len(held) == run:
            runs.append(_written(held))
            held = []
    held.sort(key=natural)
    if not runs:
        yield from held
        return
    streams = [map(os.fsdecode, rows) for rows in runs]
    yield from heapq.merge(*streams, held, key=natural)


def _written(names: list[str]) -> ByteRows:
    rows = ByteRows()
    for name in sorted(names, key=natural):
        rows.append(os.fsencode(name))
    return rows
