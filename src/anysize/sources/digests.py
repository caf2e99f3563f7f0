"""Digests of samples: they change with content that keeps its size and time.

Copying tools and archives set times back, and a picture behind a table can be exchanged while the
table stays. All of the data would take too long to read, so a few blocks of a few files are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from anysize.core.errors import DataError
from anysize.core.records import Record, Source
from anysize.readers.files import open_regular

_BLOCK = 1 << 12
_BLOCKS = 4
_FILES = 64


def evenly(count: int, most: int = _FILES) -> Sequence[int]:
    """At most so many of the numbers below ``count``, evenly spread from the first to the last."""
    if count <= most:
        return range(count)
    return sorted({place * (count - 1) // (most - 1) for place in range(most)})


def digest_of_files(paths: Iterable[Path]) -> str:
    """Of sizes, times and some blocks of the files; one that cannot be read counts as such."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        digest.update(os.fsencode(path.name) + b"\0" + _facts(path))
    return digest.hexdigest()


def digest_of_contents(source: Source) -> str:
    """Of the files that some records of a table name, evenly spread; empty where they name none."""
    paths: list[Path] = []
    for index in evenly(len(source)):
        try:
            paths += _files_of(source[index])
        except DataError:
            continue
    return digest_of_files(paths) if paths else ""


def _files_of(record: Record) -> list[Path]:
    # A field that is a file is called by its path; one that is a cell by table and row.
    paths = [Path(field.origin) for field in record.fields.values()]
    return [path for path in paths if os.path.lexists(path)]


def _facts(path: Path) -> bytes:
    try:
        file = open_regular(path)
    except OSError:
        return b"gone\n"
    try:
        status = os.fstat(file)
        last = max(status.st_size - _BLOCK, 0)
        blocks = [os.pread(file, _BLOCK, last * place // (_BLOCKS - 1)) for place in range(_BLOCKS)]
    except OSError:
        return b"unreadable\n"
    finally:
        os.close(file)
    return f"{status.st_size}\0{status.st_mtime_ns}\0".encode() + b"".join(blocks)
