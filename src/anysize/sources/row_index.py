"""The index of a text table: built in one pass, kept in the cache, valid while the file is the same.

Format of a cache file: ``_HEAD`` bytes of JSON padded with spaces (``signature``, ``rows``), then
``rows + 1`` positions as little-endian uint64: the rows' starts (the header line's included) and
the end of the file. The signature holds the format's version, the dialect, the file's size and
modification time, and a digest of its first and last 64 KiB.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np

from anysize.core.errors import DataError
from anysize.sources.cache import cache_file, replacing
from anysize.sources.offsets import WORD, Offsets, RandomFile
from anysize.sources.scan import Dialect, RowScanner

_VERSION = 1
_HEAD = 4096
_EDGE = 1 << 16
_SMALL = 1 << 20
_LARGE = 1 << 28

_log = logging.getLogger(__name__)


def row_index(path: Path, dialect: Dialect, start: int, cache: Path | None) -> Offsets:
    """The bounds of a table's rows, from the cache where it is valid, else built.

    Files of less than a mebibyte are indexed in memory each time, which is faster than a file.

    Args:
        path: the table.
        dialect: how rows are told apart.
        start: where its first row begins (behind a byte order mark).
        cache: folder of the index; None is the user's cache folder.

    Raises:
        DataError: the table cannot be read, or a quote is opened and never closed.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _SMALL:
            scanner = RowScanner(dialect, start)
            bounds = np.concatenate(list(scanner.starts(file)))
            _refuse_unclosed(path, file, scanner, bounds[-2:], len(bounds) - 1)
            return Offsets(bounds)
        signature = _signature(file, dialect)
        target = cache_file(path, "rows", cache)
        kept = _kept(target, signature)
        if kept is not None:
            return kept
        if size >= _LARGE:
            _log.info("indexing %s once (%.1f GB)", path, size / 1e9)
        with replacing(target) as out:
            rows = _build(path, file, RowScanner(dialect, start), out)
            out.seek(0)
            out.write(json.dumps({"signature": signature, "rows": rows}).encode().ljust(_HEAD))
        return Offsets(RandomFile(target, _HEAD + WORD * (rows + 1)), _HEAD, rows)


def _build(path: Path, file: BinaryIO, scanner: RowScanner, out: BinaryIO) -> int:
    out.write(b" " * _HEAD)
    count = 0
    last = np.empty(0, dtype=np.uint64)
    for starts in scanner.starts(file):
        out.write(starts.astype("<u8", copy=False).tobytes())
        count += len(starts)
        last = np.concatenate([last, starts])[-2:]
    _refuse_unclosed(path, file, scanner, last, count - 1)
    return count - 1


def _refuse_unclosed(
    path: Path, file: BinaryIO, scanner: RowScanner, last: np.ndarray, rows: int
) -> None:
    """A quote that is never closed makes one cell of the rest of the file, which would drop every
    row in it; in the last line it only spoils that row, which then fails alone."""
    if scanner.unclosed is None:
        return
    file.seek(scanner.unclosed)
    rest = int(last[-1]) - scanner.unclosed
    read = 0
    while read < rest:
        block = file.read(min(1 << 20, rest - read))
        place = block.find(b"\n")
        read += len(block)
        if 0 <= place and read - len(block) + place < rest - 1:
            raise DataError(
                str(path),
                f"the quote at byte {scanner.unclosed}, in row {rows - 2} of the data, is never "
                "closed, so that all that follows would be one cell; close it, double it, or "
                "save the table as TSV, where quotes mean nothing",
            )


def _signature(file: BinaryIO, dialect: Dialect) -> dict[str, object]:
    status = os.fstat(file.fileno())
    digest = hashlib.blake2b(os.pread(file.fileno(), _EDGE, 0), digest_size=16)
    digest.update(os.pread(file.fileno(), _EDGE, max(status.st_size - _EDGE, 0)))
    return {
        "version": _VERSION,
        "dialect": asdict(dialect),
        "size": status.st_size,
        "modified": status.st_mtime_ns,
        "edges": digest.hexdigest(),
    }


def _kept(target: Path, signature: dict[str, object]) -> Offsets | None:
    try:
        with target.open("rb") as file:
            head = json.loads(file.read(_HEAD))
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError):
        return None
    if head.get("signature") != signature or size != _HEAD + WORD * (head["rows"] + 1):
        return None
    return Offsets(RandomFile(target, size), _HEAD, head["rows"])
