"""Tables that are kept by columns (Parquet, Arrow), spooled once to rows.

They keep columns in compressed pages: one record at random costs the decompression of a page of
every column, or of a whole row group. Arrow's own uncompressed form would spare the decompression,
but a row of it still touches a page of memory-mapped file in every column, and those pages count as
the process's memory. So the rows are written out once, side by side, with their positions behind
them; a record is then one small read, and the second opening loads no pyarrow.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from anysize.core.errors import DataError
from anysize.core.files import replacing
from anysize.core.progress import counted
from anysize.sources.cache import HEAD, cache_file, kept_facts, signature, write_facts
from anysize.sources.columns import Request
from anysize.sources.offsets import WORD, Offsets, RandomFile
from anysize.sources.profile.kept import Place
from anysize.sources.stores import ByteRows
from anysize.sources.table import TableSource
from anysize.sources.tables.arrow_cells import Columns, columns_of
from anysize.sources.tables.spool import LimitedFile, limit_of, too_large
from anysize.sources.tables.spooled_rows import SpooledRows, header_line, read_header, row_line

MOST_COLUMNS = 1 << 16

_VERSION = 2
_LEAST = 2
"""Bytes that a value takes in the spool at least."""


def open_spooled(
    path: Path, request: Request, kind: str, batches: Callable[[Path, int], Batches]
) -> TableSource:
    """Opens a columnar file through its spooled form in the cache.

    Args:
        path: what the user calls it.
        request: for it.
        kind: of file, for messages.
        batches: opens the file, given how many values it may have.

    Raises:
        DataError: damaged, empty, too large unpacked, or without a column that is needed.
    """
    file = request.stored or path
    with file.open("rb") as opened:
        signed = signature(opened, version=_VERSION)
        size = opened.seek(0, 2)
    target = cache_file(path, "spool", request.cache)
    facts = kept_facts(target, signed)
    if facts is None:
        with replacing(target, durable=False) as out:
            limit = limit_of(size)
            limited = cast(BinaryIO, LimitedFile(out, path, limit))
            facts = spool(path, kind, lambda: batches(file, limit // _LEAST), limited)
            write_facts(out, signed, **facts)
    rows, base = facts["rows"], facts["positions"]
    data = RandomFile(target, base + WORD * (rows + 1), name=path)
    header = read_header(data.read(HEAD, facts["header"]))
    for column, names in header.names.items():
        shown = ", ".join(f"{number} {name!r}" for number, name in enumerate(names[:3]))
        request.findings.add(
            "class-names",
            f"the numbers in the column {column!r} are class names, as its metadata says "
            f"({shown}{', …' if len(names) > 3 else ''})",
            level="note",
            unit="files",
            examples=[request.named(path)],
        )
    return TableSource(
        path,
        data=data,
        offsets=Offsets(data, base, rows),
        first=1,
        row_format=SpooledRows(header.columns),
        header=header.columns,
        encoding="utf-8",
        request=request,
        place=Place(path=path, data=file, cache=request.cache),
    )


class Batches:
    """An opened columnar file.

    Args:
        schema: Arrow's.
        rows: how many there are; 0 where nobody knows.
        batches: record batches, in order.
    """

    def __init__(self, schema: Any, rows: int, batches: Iterable[Any]) -> None:
        self.schema = schema
        self.rows = rows
        self.batches = batches


def too_many(path: Path, values: int) -> DataError:
    """What to raise for a file whose metadata claims more values than it may unpack to."""
    return too_large(path, values * _LEAST)


def spool(path: Path, kind: str, opened: Callable[[], Batches], out: BinaryIO) -> dict[str, int]:
    """Writes the rows of a columnar file one after the other, so that each can be read alone.

    Args:
        path: the file, for messages.
        kind: what it is, for messages.
        opened: gives its batches.
        out: where the rows go.

    Raises:
        DataError: the file cannot be read.
    """
    import pyarrow

    out.write(b" " * HEAD)
    place = HEAD
    positions = _Positions(place)
    # Arrow's errors are of several built-in types, and those of cells of any.
    broken = (pyarrow.ArrowException, ValueError, TypeError, KeyError, OverflowError, MemoryError)
    try:
        found = opened()
        columns = columns_of(found.schema)
        _check(path, columns.names)
        head = header_line(columns.names, columns.classes)
        lines = _lines(found, columns, head)
        for line in counted(lines, f"unpacking {path}, once", found.rows, "rows"):
            out.write(line)
            place += len(line)
            positions.add(place)
    except (*broken, RecursionError, IndexError) as error:
        raise DataError(str(path), f"is a damaged {kind} file: {_short(error)}") from None
    except OSError as error:
        # Arrow's have no number; those of the disk do.
        if error.errno is not None:
            raise
        raise DataError(str(path), f"is a damaged {kind} file: {_short(error)}") from None
    for block in positions.blocks():
        out.write(block)
    return {"rows": positions.count, "positions": place, "header": len(head)}


def _check(path: Path, names: Sequence[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise DataError(
            str(path), f"has {len(names)} columns; a table may have {MOST_COLUMNS} at most"
        )
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in set(names[:place]))
        raise DataError(str(path), f"has columns of the same name: {twice}")


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:300] or type(error).__name__


def _lines(found: Batches, columns: Columns, head: bytes) -> Iterator[bytes]:
    yield head
    for batch in found.batches:
        cells = columns.cells(batch)
        for row in zip(*cells, strict=True):
            yield row_line(row)


class _Positions:
    """Ends of rows, kept outside memory until the rows are written."""

    def __init__(self, first: int) -> None:
        self._rows = ByteRows()
        self._held = array("Q", [first])
        self.count = 0

    def add(self, end: int) -> None:
        self._held.append(end)
        self.count += 1
        if len(self._held) == 1 << 16:
            self._rows.append(self._held.tobytes())
            self._held = array("Q")

    def blocks(self) -> Iterator[bytes]:
        yield from self._rows
        yield self._held.tobytes()
