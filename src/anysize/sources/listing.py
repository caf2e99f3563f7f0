"""The files of a folder in natural order, listed in bounded memory."""

from __future__ import annotations

import heapq
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from anysize.core.errors import DataError
from anysize.sources.stores import ByteRows

_RUN = 1 << 16
_NUMBER = re.compile(r"(\d+)")


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts ``2.jpg`` before ``10.jpg``."""
    parts: list[str | int] = list(_NUMBER.split(name))
    parts[1::2] = map(int, parts[1::2])
    # The name itself orders names that differ only in leading zeros.
    return parts, name


def suffix_of(name: str) -> str:
    """``.jpg`` of ``A.JPG``; much faster than a ``Path`` for millions of names."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


@dataclass
class Skipped:
    """What a walk passed over: how many files of each suffix."""

    suffixes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        if not self.suffixes:
            return "no files"
        most = self.suffixes.most_common(6)
        return ", ".join(f"{count} {suffix or '(no suffix)'}" for suffix, count in most)


def walk(folder: Path, suffixes: frozenset[str], skipped: Skipped) -> Iterator[str]:
    """Files below ``folder`` with one of the suffixes, in no order.

    Names that begin with a dot or ``__`` are left out; links to folders are followed, except into
    a folder that is being walked.

    Args:
        folder: where to begin.
        suffixes: in lower case, with the dot.
        skipped: counts the other files.

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
                continue
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "__")):
                        continue
                    if entry.is_dir():
                        stack.append((f"{prefix}{entry.name}/", above | {inode}))
                        continue
                    suffix = suffix_of(entry.name)
                    if suffix in suffixes:
                        yield prefix + entry.name
                    else:
                        skipped.suffixes[suffix] += 1
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
