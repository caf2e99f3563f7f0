"""Tables of boxes (CSV): a row an object, in the conventions that are in use.

- ``filename,width,height,class,xmin,ymin,xmax,ymax`` (TensorFlow, Roboflow), in any order;
- ``path,x1,y1,x2,y2,class`` without a header (keras-retinanet);
- ``image,x,y,w,h,label``, or a cell ``bbox`` that holds ``[x, y, w, h]`` (Kaggle);
- ``ImageID,…,LabelName,…,XMin,XMax,YMin,YMax,…`` in parts of the sides (Open Images).

Rows of a picture need not follow each other: they are put in order by a temporary database.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import mark_of, printable, suggest
from anysize.sources.boxes.annotation_files import is_there, number, shown, storable, text
from anysize.sources.boxes.columns import BoxColumns, by_names, by_place
from anysize.sources.boxes.described import Box, Described, corners
from anysize.sources.boxes.listed_pictures import Listed

_HEAD = 1 << 16
_ONE_CLASS = "object"
# So many boxes at most are not within 0 to 1 where they are parts of the sides.
_ODD = 0.5
_SCHEMA = (
    "DROP TABLE IF EXISTS rows; CREATE TABLE rows (picture BLOB, line INTEGER, label TEXT, "
    "l REAL, t REAL, r REAL, b REAL, crowd INTEGER, width REAL, height REAL, split TEXT, "
    "problem TEXT)"
)
_INSERT = f"INSERT INTO rows VALUES ({', '.join('?' * 12)})"


@dataclass(frozen=True, kw_only=True)
class BoxTable:
    """A table that was recognised as one of boxes.

    Attributes:
        path: the file.
        columns: its columns.
        delimiter: between cells.
        header: whether the first row names the columns.
    """

    path: Path
    columns: BoxColumns
    delimiter: str
    header: bool


def box_table(path: Path) -> BoxTable | None:
    """The table at a path, if its first rows are those of a table of boxes."""
    if not is_there(path):
        return None
    try:
        with path.open(encoding=_encoding(path), errors="replace") as file:
            lines = [line for line in itertools.islice(_lines(file), 40) if line.strip()][:20]
        if not lines:
            return None
        for delimiter in ",;\t":
            rows = list(csv.reader(lines, delimiter=delimiter))
            named = by_names(rows[0]) if len(rows[0]) > 1 else None
            if named is not None:
                return BoxTable(path=path, columns=named, delimiter=delimiter, header=True)
            placed = [by_place(row) for row in rows]
            if all(found is not None for found in placed):
                chosen = max(placed, key=lambda found: 0 if found is None else found.label or 0)
                assert chosen is not None
                return BoxTable(path=path, columns=chosen, delimiter=delimiter, header=False)
    except (OSError, csv.Error):
        return None
    return None


class BoxRows:
    """The rows of a table in a temporary database, until it is closed.

    Args:
        table: the table.
        names: of the classes, by what is written in the table.

    Attributes:
        lost: rows that name no picture, the first few, as ``FILE:LINE``.
        lost_count: how many there are.
        relative: whether all boxes are parts of the picture's sides.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, table: BoxTable, names: dict[str, str]) -> None:
        self._table = table
        self._names = names
        self._database = sqlite3.connect("")
        self.lost: list[str] = []
        self.lost_count = 0
        self.encoding = "utf-8"
        try:
            self._read()
        except BaseException:
            self.close()
            raise
        (odd,) = self._database.execute(
            "SELECT avg(l > 1 OR t > 1 OR r > 1.02 OR b > 1.02) FROM rows WHERE l IS NOT NULL"
        ).fetchone()
        # A few that reach out of their pictures do not make pixels of all the others.
        self.relative = odd is not None and odd < _ODD

    def __enter__(self) -> BoxRows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the database."""
        self._database.close()

    def pictures(self) -> Iterator[Listed]:
        """All pictures, in the order in which they are first named."""
        rows = self._database.execute(
            "SELECT rows.* FROM "
            "(SELECT picture AS same, min(line) AS first FROM rows GROUP BY picture) "
            "JOIN rows ON picture = same ORDER BY first, line"
        )
        for _, group in itertools.groupby(rows, key=lambda row: row[0]):
            yield _listed(list(group), self._table.path, self.relative)

    def _read(self) -> None:
        for encoding in (_encoding(self._table.path), "latin-1"):
            self._database.executescript(_SCHEMA)
            self.lost, self.lost_count, self.encoding = [], 0, encoding
            try:
                with self._table.path.open(encoding=encoding, newline="") as file:
                    self._fill(csv.reader(file, delimiter=self._table.delimiter))
                break
            except UnicodeDecodeError:
                continue
            except OSError as error:
                problem = f"cannot be read: {error.strerror or error}"
                raise DataError(str(self._table.path), problem) from None
        self._database.execute("CREATE INDEX by_picture ON rows (picture)")

    def _fill(self, reader: Any) -> None:
        table = self._table
        try:
            for place, row in enumerate(reader):
                empty = not any(cell.strip() for cell in row)
                if empty or (table.header and (not place or tuple(row) == table.columns.names)):
                    continue
                comma = table.delimiter == ";" and table.columns.form != "one cell"
                made = _row(row, table.columns, self._names, reader.line_num, comma=comma)
                if made is not None:
                    self._database.execute(_INSERT, made)
                    continue
                self.lost_count += 1
                if len(self.lost) < 5:
                    self.lost.append(f"{table.path.name}:{reader.line_num}")
        except csv.Error as error:
            where = f"{table.path}:{reader.line_num}"
            raise DataError(where, f"cannot be read: {error}") from None


def class_names(path: Path) -> dict[str, str]:
    """Names by code: ``name,number`` (keras-retinanet) or ``code,name`` (Open Images)."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text(path)[0])) if len(row) >= 2]
    except (DataError, csv.Error):
        return {}
    pairs = [(row[0].strip(), row[1].strip()) for row in rows]
    if pairs and all(code.isdigit() for _, code in pairs):
        return {code: printable(name) for name, code in pairs}
    if pairs and all(code.startswith("/m/") or code == "LabelName" for code, _ in pairs):
        return {code: printable(name) for code, name in pairs}
    return {}


def _lines(file: TextIO) -> Iterator[str]:
    """Lines of a sane length; the file's end where one is not."""
    while line := file.readline(_HEAD):
        if len(line) == _HEAD:
            return
        yield line


def _row(
    row: Sequence[str], columns: BoxColumns, names: dict[str, str], line: int, *, comma: bool
) -> tuple[object, ...] | None:
    def cell(place: int | None) -> str:
        return row[place].strip() if place is not None and place < len(row) else ""

    picture = cell(columns.picture).replace("\\", "/")
    if not picture or not storable(picture):
        return None
    label = printable(cell(columns.label)) if columns.label is not None else _ONE_CLASS
    values = [cell(place) for place in columns.sides]
    if comma:
        values = [value.replace(",", ".") for value in values]
    split = cell(columns.split).lower()
    size = _size(cell, columns)
    box = _box(values, columns)
    problem = ""
    sides: tuple[float | None, ...] = (None,) * 4
    if not any(values) or values == ["[]"]:
        label = ""
    elif isinstance(box, str):
        problem = f"the box {shown(' '.join(values))}: {box}"
    elif not label:
        problem = "the box has no class"
    else:
        sides = box
    crowd = int(cell(columns.crowd).lower() in ("1", "true"))
    name = names.get(label, label)
    return (os.fsencode(picture), line, name, *sides, crowd, *size, split, problem)


def _size(cell: object, columns: BoxColumns) -> tuple[float | None, float | None]:
    if columns.size is None:
        return None, None
    assert callable(cell)
    width, height = (number(cell(place)) for place in columns.size)
    known = width is not None and height is not None and width > 1 and height > 1
    return (width, height) if known else (None, None)


def _box(values: Sequence[str], columns: BoxColumns) -> Box | str:
    if columns.form == "one cell":
        numbers = re.findall(r"[-+0-9.eE]+", values[0])
        return corners(numbers, from_sides=True)
    if columns.form == "corners":
        return corners(values)
    if columns.form == "sides":
        return corners(values, from_sides=True)
    x, y, width, height = (number(value) for value in values)
    if x is None or y is None or width is None or height is None:
        return corners(values)
    return corners((x - width / 2, y - height / 2, width, height), from_sides=True)


def _listed(rows: Sequence[tuple[Any, ...]], path: Path, relative: bool) -> Listed:
    picture = os.fsdecode(rows[0][0])
    found, problems, size = [], [], None
    for _, line, label, left, top, right, bottom, crowd, width, height, _, problem in rows:
        if problem:
            problems.append(f"line {line}: {problem}")
        elif left is not None:
            found.append(Annotation(label, (left, top, right, bottom), crowd=bool(crowd)))
        if width is not None:
            size = (width, height)
    splits = list(dict.fromkeys(row[10] for row in rows if row[10]))
    if len(splits) > 1:
        problems.append(f"its rows name several splits ({', '.join(map(shown, splits))})")
    more = f"; … ({len(problems)} in all)" if problems[3:] else ""
    described = Described(
        objects=() if problems else tuple(found),
        size=size,
        relative=relative,
        problem="; ".join(problems[:3]) + more,
        origin=f"{path} ({printable(PurePosixPath(picture).name)})",
    )
    return Listed(picture=picture, split=str(rows[0][10]), described=described)


def _encoding(path: Path) -> str:
    """By a byte order mark, else UTF-8 or what the beginning looks like."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    mark = mark_of(head)
    found = mark[1] if mark else suggest(head) or "latin-1"
    return "utf-8-sig" if found == "utf-8" else found
