"""The index of a text table: built in one pass and kept while the file is the same.

Behind the cache file's head (``rows``: how many) come ``rows + 1`` positions as little-endian
uint64: the rows' starts, the header line's included, and the end of the file.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.files import replacing
from anysize.core.progress import Progress
from anysize.sources.cache import HEAD, cache_file, kept_facts, signature, write_facts
from anysize.sources.offsets import WORD, Offsets, RandomFile
from anysize.sources.tables.dialect import Dialect, Judge, Repairs

if TYPE_CHECKING:
    from anysize.sources.profile.beside import Beside
    from anysize.sources.profile.kept import Place
    from anysize.sources.scan import RowScanner

_VERSION = 2
_SMALL = 1 << 20


@dataclass(frozen=True, kw_only=True)
class RowIndex:
    """Where a table's rows are.

    Attributes:
        offsets: their bounds.
        repairs: what was mended in finding them.
    """

    offsets: Offsets
    repairs: Repairs


def row_index(
    path: Path,
    dialect: Dialect,
    start: int,
    cache: Path | None,
    *,
    name: Path | None = None,
    header: bytes = b"",
    judge: Judge | None = None,
    columns: Place | None = None,
) -> RowIndex:
    """The bounds of a table's rows, from the cache where it is valid, else built.

    Files of less than a mebibyte are indexed in memory each time, which is faster than a file.

    Args:
        path: the file of the table's bytes.
        dialect: how rows are separated.
        start: where its first row begins (behind a byte order mark).
        cache: folder of the index; None is the user's cache folder.
        name: what the user calls the table; None is ``path``.
        header: as for ``RowScanner``.
        judge: the same.
        columns: where the profile of the columns is kept, which is made in the same pass; None
            makes none.

    Raises:
        DataError: the table cannot be read, or a quote is opened and never closed.
    """
    called = name or path
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _SMALL:
            scanner = _scanner(dialect, start, header, judge)
            bounds = np.concatenate(list(scanner.starts(file)))
            _refuse_unclosed(called, file, scanner, bounds[-2:], len(bounds) - 1)
            return RowIndex(offsets=Offsets(bounds), repairs=scanner.repairs)
        head = hashlib.blake2b(header, digest_size=8).hexdigest()
        made = {
            "dialect": asdict(dialect),
            "start": start,
            "header": head,
            "judged": judge is not None,
        }
        signed = signature(file, version=_VERSION, **made)
        target = cache_file(called, "rows", cache)
        facts = kept_facts(target, signed)
        if facts is None:
            scanner = _scanner(dialect, start, header, judge)
            with replacing(target, durable=False) as out:
                rows = build(called, file, scanner, out, columns)
                facts = {"rows": rows, "repairs": asdict(scanner.repairs)}
                write_facts(out, signed, **facts)
    offsets = Offsets(RandomFile(target, HEAD + WORD * (facts["rows"] + 1)), HEAD, facts["rows"])
    return RowIndex(offsets=offsets, repairs=Repairs(**facts["repairs"]))


def _scanner(dialect: Dialect, start: int, header: bytes, judge: Judge | None) -> RowScanner:
    from anysize.sources.scan import RowScanner  # not needed where the index is kept

    return RowScanner(dialect, start, header=header, judge=judge)


def build(
    path: Path, file: BinaryIO, scanner: RowScanner, out: BinaryIO, columns: Place | None
) -> int:
    """Writes the index of a table, and what is known of its columns, in one pass.

    Returns:
        How many rows the table has.
    """
    beside = None if columns is None else columns.beside()
    try:
        rows = _write_starts(path, file, scanner, out, beside)
        if columns is not None and beside is not None and (found := beside.finish()) is not None:
            columns.write(*found)
        return rows
    finally:
        if beside is not None:
            beside.close()


def _write_starts(
    path: Path, file: BinaryIO, scanner: RowScanner, out: BinaryIO, beside: Beside | None
) -> int:
    out.write(b" " * HEAD)
    count = 0
    last = np.empty(0, dtype=np.uint64)
    size = os.fstat(file.fileno()).st_size
    progress = Progress(f"indexing {path}, once", size, "bytes")
    for starts in scanner.starts(file):
        out.write(starts.astype("<u8", copy=False).tobytes())
        if beside is not None:
            beside.see(starts)
        count += len(starts)
        last = np.concatenate([last, starts])[-2:]
        progress.at(file.tell())
    progress.end(size)
    _refuse_unclosed(path, file, scanner, last, count - 1)
    return count - 1


def _refuse_unclosed(
    path: Path, file: BinaryIO, scanner: RowScanner, last: NDArray[np.uint64], rows: int
) -> None:
    """Refuses a quote that makes one cell of the rest of the file, dropping every row in it.

    In the last line a quote left open only spoils that row, which then fails alone.
    """
    if scanner.unclosed is None:
        return
    file.seek(scanner.unclosed)
    rest = int(last[-1]) - scanner.unclosed
    read = 0
    while read < rest:
        block = file.read(min(1 << 20, rest - read))
        place = block.find(b"\n")
        read += len(block)
        if place >= 0 and read - len(block) + place < rest - 1:
            raise DataError(
                str(path),
                f"the quote at byte {scanner.unclosed}, in row {rows - 2} of the data, is never "
                "closed, so that all that follows would be one cell; close it, double it, or "
                "read all quotes as characters with --columns quoting=off",
            )
