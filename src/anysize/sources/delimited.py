"""CSV and TSV files."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from anysize.core.errors import ColumnError, DataError
from anysize.core.records import Source
from anysize.readers.encodings import advice
from anysize.sources.columns import Request, usual_names
from anysize.sources.offsets import RandomFile
from anysize.sources.profile.kept import Place
from anysize.sources.row_index import row_index
from anysize.sources.rows import ROW_LIMIT, Delimited, RowError, split_cells
from anysize.sources.scan import RowScanner
from anysize.sources.table import TableSource
from anysize.sources.tables.dialect import Dialect, Repairs
from anysize.sources.tables.headers import guess_header, guess_roles
from anysize.sources.tables.misread import other_delimiter, unlike_its_rows
from anysize.sources.tables.quotes import QuoteJudge, shapes
from anysize.sources.tables.sniffing import separator_line, sniff
from anysize.sources.tables.stored import SAMPLE, Stored, stored_text

PROVIDES = ("csv", "tsv", "tab")

_SAMPLE_ROWS = 50
_JUDGED_BY = 500
_TABS = (".tsv", ".tab")


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What the first rows of a table show.

    Attributes:
        dialect: how it is written.
        start: where its first row begins.
        first: bytes of the first row, without its line end.
        header: names of its columns; empty cells where they have none.
        headed: whether the first row is the header.
        rows: cells of some rows below the header.
        below: some rows below the first one, as they are.
    """

    dialect: Dialect
    start: int
    first: bytes
    header: Sequence[str]
    headed: bool
    rows: Sequence[Sequence[str]]
    below: Sequence[str]


def open_path(path: Path, request: Request) -> Source:
    """Opens a text table; delimiter, quoting and header are found from its first rows.

    Raises:
        DataError: empty, binary, wrongly encoded, or without a column that is needed.
    """
    stored = stored_text(path, request)
    layout = _layout(path, stored, request)
    dialect = layout.dialect
    judge = None
    if dialect.quoting and request.table.get("quoting") != "on":
        kinds = shapes(layout.rows[:_JUDGED_BY], len(layout.header))
        judge = QuoteJudge(dialect=dialect, shapes=kinds, encoding=stored.encoding)
    first = 1 if layout.headed else 0
    place = Place(
        path=path,
        data=stored.path,
        cache=request.cache,
        dialect=dialect,
        encoding=stored.encoding,
        skip=first,
    )
    index = row_index(
        stored.path,
        dialect,
        layout.start,
        request.cache,
        name=path,
        header=layout.first if layout.headed else b"",
        judge=judge,
        columns=place,
    )
    row_format = Delimited(
        layout.header,
        dialect,
        stray=index.repairs.quotes > 0,
        again=layout.first.decode(stored.encoding) if index.repairs.headers else "",
    )
    whole = layout.first.decode(stored.encoding, "replace")
    if problem := unlike_its_rows(whole, layout.below, row_format):
        raise DataError(str(path), problem)
    if not layout.headed:
        request = _named_by_content(path, row_format.columns, layout, request)
    _report(request.named(path), index.repairs, first, request)
    try:
        return TableSource(
            path,
            data=RandomFile(stored.path, stored.path.stat().st_size, name=path),
            offsets=index.offsets,
            first=first,
            row_format=row_format,
            header=row_format.header if layout.headed else row_format.columns,
            encoding=stored.encoding,
            request=request,
            place=place,
        )
    except ColumnError as error:
        advice = other_delimiter(whole, layout.below) if len(layout.header) == 1 else ""
        raise ColumnError(error.origin, error.problem + advice) from None


def _layout(path: Path, stored: Stored, request: Request) -> _Layout:
    sample, start = stored.sample, stored.start
    given = separator_line(sample)
    delimiter = request.table.get("delimiter")
    if given is not None:
        delimiter = delimiter or given[0]
        sample, start = sample[given[1] :], start + given[1]
        request.findings.add(
            "separator-line",
            f"{request.named(path)}: the line sep={given[0]} gives the delimiter and is no row",
            level="note",
        )
    whole = len(stored.sample) < SAMPLE
    lines = sample.decode(stored.encoding, errors="replace").splitlines()
    if len(lines) > 1 and not whole:
        lines.pop()
    dialect = sniff(
        [line for line in lines[:_SAMPLE_ROWS] if line],
        tabs=path.suffixes[-1:] != [] and any(s in _TABS for s in path.suffixes[-2:]),
        delimiter=delimiter,
        quoting=request.table.get("quoting", "auto"),
    )
    _say(request.named(path), dialect, request)
    raw = _rows(sample, dialect)
    if not raw:
        raise DataError(str(path), "holds only blank lines")
    if len(raw) > 1 and not whole:
        raw.pop()
    if len(raw[0]) >= SAMPLE - 1:
        raw[0] = _long_row(path, stored, dialect, start)
    first = raw[0].rstrip(b"\r\n")
    header = _cells(path, first, dialect, stored)
    # Physical lines: a stray quote joins rows.
    cut = [
        cells
        for line in lines[: _JUDGED_BY + 1]
        if (cells := _cut(line, dialect)) and len(cells) == len(header)
    ]
    wish = request.table.get("header", "auto")
    headed = wish == "yes"
    if wish == "auto":
        names = usual_names(request)
        guess = guess_header(header, cut[1:] if cut[:1] == [header] else cut, names)
        headed = guess.header
        if not headed:
            request.findings.add(
                "no-header",
                f"{request.named(path)} seems to have no header ({guess.reason}): its first row "
                "is read as a record",
                remedy="confirm it with --columns header=no, or add a header",
            )
    if headed and _rows_are_named(header, lines, dialect):
        header = ["", *header]
        cut = [cells for line in lines[1:] if len(cells := _cut(line, dialect)) == len(header)]
        request.findings.add(
            "row-names",
            f"{request.named(path)}: each row has one cell more than the header; the first one is "
            "read as the row's name",
        )
    return _Layout(
        dialect=dialect,
        start=start,
        first=first,
        header=header if headed else [""] * len(header),
        headed=headed,
        rows=cut[1:] if headed else cut,
        below=[row.decode(stored.encoding, "replace").rstrip("\r\n") for row in raw[1:]],
    )


def _say(name: str, dialect: Dialect, request: Request) -> None:
    """Notes a dialect that is not the plain one."""
    said = []
    if dialect.escape:
        said.append("quotes in cells are escaped by backslashes")
    if dialect.blanks:
        said.append(f"blanks behind {dialect.delimiter!r} are no part of cells")
    if said:
        request.findings.add(
            "dialect",
            f"{name}: {' and '.join(said)}",
            level="note",
            unit="files",
            remedy="--columns quoting=on reads it as RFC 4180 says",
        )


def _rows_are_named(header: Sequence[str], lines: Sequence[str], dialect: Dialect) -> bool:
    """Whether all rows have one cell more than the header, and the first one is their number."""
    firsts = set()
    filled = False
    count = 0
    for line in filter(None, lines[1:]):
        row = _cut(line, dialect)
        if len(row) != len(header) + 1 or not row[0].isdecimal():
            return False
        count += 1
        firsts.add(row[0])
        filled = filled or bool(row[-1])
    return count > 1 and filled and len(firsts) == count


def _cut(line: str, dialect: Dialect) -> list[str]:
    try:
        return split_cells(line, dialect)
    except RowError:
        return []


def _cells(path: Path, raw: bytes, dialect: Dialect, stored: Stored) -> list[str]:
    try:
        return split_cells(raw.decode(stored.encoding), dialect)
    except UnicodeDecodeError as error:
        raise DataError(
            str(path),
            f"the first row cannot be decoded as {stored.encoding}: {error.reason} at byte "
            f"{stored.start + error.start}; {advice(stored.sample, stored.encoding)}",
        ) from None
    except RowError as problem:
        raise DataError(str(path), f"the header {problem}") from None


def _long_row(path: Path, stored: Stored, dialect: Dialect, start: int) -> bytes:
    """The first row where it is longer than the sample."""
    with stored.path.open("rb") as file:
        file.seek(start)
        data = file.read(ROW_LIMIT + 1)
    rows = _rows(data, dialect)
    if len(data) > ROW_LIMIT and len(rows) < 2:
        raise DataError(
            str(path), f"has a first row of more than {ROW_LIMIT} bytes; is it a table?"
        )
    return rows[0]


def _rows(data: bytes, dialect: Dialect) -> list[bytes]:
    blocks = [block.tolist() for block in RowScanner(dialect).starts(io.BytesIO(data))]
    return [data[begin:end] for begin, end in pairwise(itertools.chain(*blocks))]


def _named_by_content(
    path: Path, columns: Sequence[str], layout: _Layout, request: Request
) -> Request:
    """The request with columns for the roles of a table without a header, and a finding."""
    found = guess_roles(columns, layout.rows, request.roles, request.columns)
    if found:
        shown = ", ".join(f"{column} as {role}" for role, column in found.items())
        asked = ",".join(f"{role}={column.rpartition(' ')[2]}" for role, column in found.items())
        request.findings.add(
            "columns-by-content",
            f"{request.named(path)} has no header: {shown}, by what the columns hold",
            unit="columns",
            count=len(found),
            remedy=f"name others with --columns {asked}, by their numbers",
        )
    return replace(request, columns={**found, **request.columns})


def _report(name: str, repairs: Repairs, first: int, request: Request) -> None:
    """Notes what was mended in finding the rows."""
    if repairs.headers:
        request.findings.add(
            "header-repeated",
            f"{name}: the header is repeated between the rows; the repetitions are left out",
            count=repairs.headers,
            examples=[f"before {name}:{row - first}" for row in repairs.headers_at],
        )
    if repairs.quotes:
        request.findings.add(
            "stray-quotes",
            f"{name}: quotes that open a cell and are not closed in it are read as characters; "
            f"they would have swallowed {repairs.swallowed} rows",
            count=repairs.quotes,
            unit="quotes",
            examples=[f"{name}:{row - first}" for row in repairs.quotes_at],
            remedy="--columns quoting=off reads all quotes as characters, quoting=on none",
        )
