"""Rows of text tables: delimited cells (RFC 4180 or plain) and JSON Lines."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

CELL_LIMIT = 1 << 24
"""Characters of one cell at most (16 MiB); longer texts belong in files of their own."""

ROW_LIMIT = 1 << 26
"""Bytes of one row at most (64 MiB)."""

DELIMITERS = (",", ";", "\t", "|")

Row: TypeAlias = Mapping[str, Any]


class RowError(ValueError):
    """What is wrong with one row; the table adds where it stands."""


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
        delimiter: between cells.
        quoting: whether cells may be quoted.
    """

    def __init__(self, header: Sequence[str], delimiter: str, quoting: bool) -> None:
        self.header = tuple(cell.strip() for cell in header)
        self.delimiter = delimiter
        self.quoting = quoting
        keys: list[str] = []
        for place, name in enumerate(self.header, start=1):
            key = name or f"column {place}"
            keys.append(key if key not in keys else f"{key} ({place})")
        self.columns: tuple[str, ...] = tuple(keys)

    def parse(self, line: str) -> dict[str, str]:
        cells = split_row(line, self.delimiter, self.quoting)
        if len(cells) != len(self.columns):
            raise RowError(
                f"has {len(cells)} cells where the header has {len(self.columns)} columns "
                f"({', '.join(self.columns)}); "
                + (
                    f"quote cells that contain {self.delimiter!r} or a line end"
                    if self.quoting
                    else "cells must not contain tabs or line ends"
                )
            )
        return dict(zip(self.columns, cells, strict=True))


class JsonLines:
    """Rows that are JSON objects, one a line (https://jsonlines.org)."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns: tuple[str, ...] = tuple(columns)

    def parse(self, line: str) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RowError(f"is not JSON: {error}") from None
        except RecursionError:
            raise RowError("is not usable JSON: nested too deeply") from None
        if not isinstance(row, dict):
            raise RowError(f"must be a JSON object, not {type(row).__name__}")
        return row


class SpooledRows(JsonLines):
    """JSON objects in which bytes are written as ``{"base64": …}``."""

    @staticmethod
    def line(row: Row) -> bytes:
        """The line that ``parse`` turns back into the row.

        Numbers with no JSON form, dates and the like become strings.
        """
        return json.dumps(row, ensure_ascii=False, default=_spooled).encode("utf-8", "replace")

    def parse(self, line: str) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(line, object_hook=_unspooled)
        return row


def _spooled(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    return str(value)


def _unspooled(found: dict[str, Any]) -> Any:
    return base64.b64decode(found["base64"]) if found.keys() == {"base64"} else found


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


def sniff_delimiter(sample: Sequence[str]) -> str:
    """The delimiter of a quoted table: the one that cuts its first rows alike, into most cells.

    Args:
        sample: the table's first rows, the header first.
    """
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        counts = []
        for line in sample:
            try:
                counts.append(len(split_row(line, delimiter, True)))
            except RowError:
                continue
        if not counts or counts[0] < 2:
            continue
        score = (counts.count(counts[0]) / len(counts), counts[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def as_string(value: Any) -> str | None:
    """A cell as a string: numbers and the like as JSON writes them, None for null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
