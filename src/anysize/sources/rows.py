"""Rows of text tables: delimited cells (RFC 4180 or plain) and JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from anysize.sources.tables.cells import split_careful, split_repaired
from anysize.sources.tables.nested import flat

if TYPE_CHECKING:
    from anysize.sources.tables.dialect import Dialect

CELL_LIMIT = 1 << 24
"""Characters of one cell at most (16 MiB); longer texts belong in files of their own."""

ROW_LIMIT = 1 << 26
"""Bytes of one row at most (64 MiB)."""

INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
"""Characters that nobody sees: byte order marks and joiners."""

_HALF = re.compile(r"\\u[dD][89a-fA-F]")

Row: TypeAlias = Mapping[str, Any]


class RowError(ValueError):
    """What is wrong with one row; the table adds its place."""


class RowFormat(Protocol):
    """How one row of a table is read."""

    @property
    def columns(self) -> Sequence[str]: ...

    def parse(self, line: str) -> Row:
        """Cells by column.

        Raises:
            RowError: the row does not have the form of the table.
        """
        ...


class Delimited:
    """Rows of cells under a header.

    Args:
        header: the header's cells. Columns without a name are called by their number, further
            columns of one name get a number behind it.
        dialect: how rows are cut into cells.
        stray: whether some quotes that open a cell and are not closed in their row were found to
            be ordinary characters.
        again: the header's line, where it is repeated behind rows; it is no part of them.
    """

    def __init__(
        self, header: Sequence[str], dialect: Dialect, *, stray: bool = False, again: str = ""
    ) -> None:
        self.header = tuple(cell.strip().strip(INVISIBLE).strip() for cell in header)
        self.dialect = dialect
        self._stray = stray
        self._again = again
        keys: dict[str, None] = {}
        for place, name in enumerate(self.header, start=1):
            key = name or f"column {place}"
            keys[key if key not in keys else f"{key} ({place})"] = None
        self.columns: tuple[str, ...] = tuple(keys)

    def parse(self, line: str) -> dict[str, str]:
        dialect = self.dialect
        if self._again:
            line = _without(self._again, line)
        try:
            cells = split_cells(line, dialect)
        except RowError:
            if not self._stray:
                raise
            cells = split_careful(line.rstrip("\r\n"), dialect.delimiter)[0]
        if len(cells) == len(self.columns):
            return dict(zip(self.columns, cells, strict=True))
        return self._repaired(line.rstrip("\r\n"), cells)

    def _repaired(self, line: str, cells: Sequence[str]) -> dict[str, str]:
        width, dialect = len(self.columns), self.dialect
        if len(cells) > width and not any(cells[width:]):
            return RepairedRow(
                zip(self.columns, cells, strict=False),
                note=f"{len(cells) - width} empty cells behind the last column were left out",
            )
        found = None
        if dialect.quoting:
            found = split_repaired(line, dialect.delimiter, width, dialect.blanks)
        if found is None:
            raise RowError(self._ragged(cells))
        return RepairedRow(
            zip(self.columns, found, strict=True),
            note="quotes that are not doubled were read as characters of their cell",
        )

    def _ragged(self, cells: Sequence[str]) -> str:
        """The number of cells, and what may have caused it."""
        width, delimiter = len(self.columns), self.dialect.delimiter
        found = (
            f"has {len(cells)} {'cell' if len(cells) == 1 else 'cells'} where the header has "
            f"{width} columns ({shown_names(self.columns)}); "
        )
        if len(cells) > width and self.dialect.quoting:
            return found + f"quote cells that contain {delimiter!r}"
        if len(cells) > width:
            return found + f"cells must not contain {delimiter!r}"
        if self.dialect.quoting:
            return found + "quote cells that hold a line end, or write the missing cells"
        return found + "cells must not contain line ends; write the missing cells"


def _without(header: str, line: str) -> str:
    """A row without the headers that are repeated behind it."""
    while (row := line.rstrip("\r\n")).endswith(header):
        row = row[: -len(header)].removesuffix("\ufeff")
        if not row.endswith(("\n", "\r")):
            break
        line = row
    return line


class RepairedRow(dict[str, str]):
    """A row whose cells were found although it does not have the form of the table.

    Attributes:
        note: what was done, as a sentence for the receipt.
    """

    def __init__(self, cells: Iterable[tuple[str, str]], *, note: str) -> None:
        super().__init__(cells)
        self.note = note


def shown_names(names: Sequence[str], most: int = 30) -> str:
    """Names of columns for a message; of very many, the first."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class JsonLines:
    """Rows that are JSON objects, one a line (https://jsonlines.org).

    Values of objects inside a row are columns of their own, by dotted path.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns: tuple[str, ...] = tuple(columns)

    def parse(self, line: str) -> Row:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RowError(f"is not JSON: {error}") from None
        except RecursionError:
            raise RowError("is not usable JSON: nested too deeply") from None
        if not isinstance(row, dict):
            raise RowError(f"must be a JSON object, not {type(row).__name__}")
        if _HALF.search(line) is not None:
            _refuse_halves(row)
        if line.count('":') > len(row) and line.count('":') > _keys_in(row):
            row = json.loads(line, object_pairs_hook=_once)
        return flat(row)


def _refuse_halves(row: Any) -> None:
    """Raises RowError for characters that are half of a surrogate pair."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RowError(
            "has half of a character that takes two codes (\\ud800 to \\udfff), as where an emoji "
            "was cut; remove it"
        ) from None
    except RecursionError:
        raise RowError("is not usable JSON: nested too deeply") from None


def _keys_in(value: Any) -> int:
    """How many keys there are in a value, those of objects inside included."""
    if isinstance(value, dict):
        return len(value) + sum(map(_keys_in, value.values()))
    return sum(map(_keys_in, value)) if isinstance(value, list) else 0


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which a key that is there again with another value has none."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        again = key in found and found[key] != value
        found[key] = Unreadable("two different values under one key") if again else value
    return found


class Unreadable:
    """Stands for a cell that cannot be read.

    Args:
        reason: what it is instead.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def split_cells(line: str, dialect: Dialect) -> list[str]:
    """The cells of one row, its line end removed.

    Raises:
        RowError: a quote that is never closed.
    """
    if not (dialect.escape or dialect.blanks):
        return split_row(line, dialect.delimiter, dialect.quoting)
    cells, _ = split_careful(
        line.rstrip("\r\n"), dialect.delimiter, escape=dialect.escape, blanks=dialect.blanks
    )
    return cells


def split_row(line: str, delimiter: str, quoting: bool) -> list[str]:
    """The cells of one row, its line end removed.

    With quoting the cells are those of ``csv.reader``; without, a quote is an ordinary character.

    Raises:
        RowError: a quote that is never closed.
    """
    line = line.rstrip("\r\n")
    if not quoting or '"' not in line:
        return line.split(delimiter)
    cells: list[str] = []
    place = 0
    while True:
        if line.startswith('"', place):
            parts, place = _quoted(line, place + 1)
        else:
            parts = []
        stop = line.find(delimiter, place)
        if stop < 0:
            stop = len(line)
        parts.append(line[place:stop])
        cells.append("".join(parts))
        if stop == len(line):
            return cells
        place = stop + 1


def _quoted(line: str, place: int) -> tuple[list[str], int]:
    """The parts of a quoted cell and the place behind its closing quote."""
    parts: list[str] = []
    while True:
        quote = line.find('"', place)
        if quote < 0:
            raise RowError("has a quote that is never closed")
        parts.append(line[place:quote])
        if not line.startswith('"', quote + 1):
            return parts, quote + 1
        parts.append('"')
        place = quote + 2


def as_string(value: Any) -> str | None:
    """A cell as a string, numbers and the like as JSON writes them; None where there is none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Unreadable):
        return None
    return json.dumps(value, ensure_ascii=False, default=str)
