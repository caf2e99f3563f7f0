"""CSV, TSV and JSON Lines files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import Source
from anysize.readers.encodings import advice, canonical, mark_of
from anysize.sources.columns import Request
from anysize.sources.offsets import Offsets, RandomFile
from anysize.sources.row_index import row_index
from anysize.sources.rows import (
    ROW_LIMIT,
    Delimited,
    JsonLines,
    RowError,
    RowFormat,
    sniff_delimiter,
    split_row,
)
from anysize.sources.scan import Dialect
from anysize.sources.table import TableSource

PROVIDES = ("csv", "tsv", "tab", "jsonl", "ndjson")

_SAMPLE = 1 << 16
_SAMPLE_ROWS = 50
_NUL_SHARE = 20


def open_path(path: Path, request: Request) -> Source:
    """Opens a text table; its columns come from the header, or from the first JSON objects.

    A ``.csv`` is quoted as RFC 4180 says, with the delimiter that cuts its first rows alike (comma,
    semicolon, tab or bar); in a ``.tsv`` quotes are ordinary characters.

    Raises:
        DataError: empty, binary, wrongly encoded, or without a column that is needed.
        ConfigurationError: an encoding that is no extension of ASCII.
    """
    encoding = canonical(request.encoding)
    head = _head(path, encoding)
    mark = mark_of(head)
    start = len(mark[0]) if mark is not None else 0
    sample = head[start:]
    size = path.stat().st_size
    if not sample.strip():
        raise DataError(str(path), "is empty; a table needs a header or at least one row")
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        dialect = Dialect(delimiter="", quoting=False, spaces=True)
    elif suffix in (".tsv", ".tab"):
        dialect = Dialect(delimiter="\t", quoting=False)
    else:
        dialect = Dialect(delimiter=sniff_delimiter(_lines(sample, encoding)), quoting=True)
    data = RandomFile(path, size)
    offsets = row_index(path, dialect, start, request.cache)
    if len(offsets) == 0:
        raise DataError(str(path), "holds only blank lines")
    row_format: RowFormat
    if dialect.delimiter:
        header = _header(path, data, offsets, dialect, encoding)
        row_format, first = Delimited(header, dialect.delimiter, dialect.quoting), 1
    else:
        header = _keys(path, data, offsets, encoding)
        row_format, first = JsonLines(header), 0
    return TableSource(
        path,
        data=data,
        offsets=offsets,
        first=first,
        row_format=row_format,
        header=header,
        encoding=encoding,
        request=request,
    )


def _head(path: Path, encoding: str) -> bytes:
    if ',"\n\t'.encode(encoding) != b',"\n\t':
        raise ConfigurationError(
            f"encoding of a table must be an extension of ASCII (utf-8, cp1252, gb18030, …), not "
            f"{encoding!r}; save {path.name} as UTF-8"
        )
    with path.open("rb") as file:
        head = os.pread(file.fileno(), _SAMPLE, 0)
    # Elsewhere a NUL spoils one row.
    if b"\0" in head.partition(b"\n")[0] or head.count(0) * _NUL_SHARE > len(head):
        found = advice(head, encoding)
        raise DataError(
            str(path), f"contains NUL bytes, which a table must not; {found}; save it as UTF-8"
        )
    return head


def _lines(sample: bytes, encoding: str) -> list[str]:
    """The first rows of a sample, for guessing: cut at line ends, quoted or not."""
    lines = sample.decode(encoding, errors="replace").splitlines()
    if len(lines) > 1 and len(sample) >= _SAMPLE // 2:
        lines.pop()
    return [line for line in lines[:_SAMPLE_ROWS] if line]


def _line(path: Path, data: RandomFile, offsets: Offsets, row: int, encoding: str) -> str:
    start, stop = offsets[row]
    if stop - start > ROW_LIMIT:
        raise DataError(str(path), f"the first row is {stop - start} bytes long; is this a table?")
    raw = data.read(start, stop - start)
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            str(path),
            f"row at byte {start} cannot be decoded as {encoding}: {error.reason} at byte "
            f"{start + error.start}; {advice(raw, encoding)}",
        ) from None


def _header(
    path: Path, data: RandomFile, offsets: Offsets, dialect: Dialect, encoding: str
) -> list[str]:
    line = _line(path, data, offsets, 0, encoding)
    try:
        return split_row(line, dialect.delimiter, dialect.quoting)
    except RowError as problem:
        raise DataError(str(path), f"the header {problem}") from None


def _keys(path: Path, data: RandomFile, offsets: Offsets, encoding: str) -> list[str]:
    """The keys of the first objects, in the order of their appearance."""
    keys: dict[str, None] = {}
    problem: str | None = None
    for row in range(min(len(offsets), _SAMPLE_ROWS)):
        try:
            found = json.loads(_line(path, data, offsets, row, encoding))
        except ValueError as error:
            problem = problem or f"row {row} is not JSON: {error}"
            continue
        except DataError as error:
            problem = problem or error.problem
            continue
        if isinstance(found, dict):
            keys.update(dict.fromkeys(found))
        else:
            problem = problem or f"row {row} must be a JSON object, not {type(found).__name__}"
    if not keys:
        raise DataError(str(path), problem or "holds no JSON objects with keys")
    return list(keys)
