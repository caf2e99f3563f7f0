"""Whether a quote that makes one cell of several lines is a stray one.

By RFC 4180 a quoted cell may hold line ends, so a single stray quote joins all rows up to the next
quote into one cell, in silence. Evidence that it is stray: the line it is in and the lines that it
would swallow are whole rows each, with the right number of cells, and in the columns that hold few
different values or numbers everywhere else they hold such values too. A real cell of several lines
does not look like that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from anysize.sources.tables.cells import split_careful, split_stray
from anysize.sources.tables.dialect import Dialect

_READ = 1 << 16
_LINES = 200
_FEWEST = 6
_MOST_VALUES = 64
_LONGEST = 64
_NUMBER = re.compile(r"[-+]?(\d[\d.,' ]*|[.,]\d+)([eE][-+]?\d+)?%?")

Shape: TypeAlias = frozenset[str] | str | None
"""What the cells of a column look like: a few values, ``number``, or None for anything."""


def shapes(rows: Sequence[Sequence[str]], width: int) -> tuple[Shape, ...]:
    """The shape of each column, of the rows of a sample that have ``width`` cells."""
    rows = [row for row in rows if len(row) == width]
    if len(rows) < _FEWEST:
        return (None,) * width
    return tuple(_shape([row[place].strip(' "') for row in rows]) for place in range(width))


def _shape(cells: Sequence[str]) -> Shape:
    if all(_NUMBER.fullmatch(cell) or not cell for cell in cells):
        return "number" if any(cells) else None
    counts = Counter(cells)
    few = len(counts) <= min(_MOST_VALUES, len(cells) // 3)
    if few and max(map(len, counts)) <= _LONGEST:
        return frozenset(counts)
    return None


@dataclass(frozen=True, kw_only=True)
class QuoteJudge:
    """Decides about quotes of one table.

    Attributes:
        dialect: of the table.
        shapes: of its columns.
        encoding: of the file.
    """

    dialect: Dialect
    shapes: tuple[Shape, ...]
    encoding: str

    def stray(self, file: BinaryIO, row: int, closing: int | None) -> bool:
        """Whether the quote that makes a row of several lines is an ordinary character.

        Args:
            file: the table; its position is moved.
            row: where the row begins.
            closing: place of the quote that would close its cell; None where the file ends before.
        """
        lines, whole_cell = self._lines(file, row, closing)
        odd = closing is None or self._followed_oddly(file, closing)
        if len(lines) < 2 or not self._whole(lines[0]):
            return False
        # The line of the closing quote is read anew: the quote may open a cell of its own there.
        below = lines[1:-1] if odd and whole_cell and closing is not None else lines[1:]
        whole = [self._whole(line) for line in below]
        if sum(whole) < 0.9 * len(whole) or (len(whole) < 10 and not all(whole)):
            return False
        if any(shape is not None for shape in self.shapes):
            return True
        # Nothing but the number of cells: the closing quote must be wrong as well.
        return odd and len(whole) >= 2

    def _followed_oddly(self, file: BinaryIO, closing: int) -> bool:
        """Whether a closing quote is followed by something else than the end of its cell."""
        file.seek(closing + 1)
        rest = file.read(_READ >> 8)
        if self.dialect.blanks:
            rest = rest.lstrip(b" \t")
        return rest[:1] not in (b"", b"\n", b"\r", self.dialect.delimiter.encode())

    def _lines(self, file: BinaryIO, row: int, closing: int | None) -> tuple[list[str], bool]:
        """The lines of the row's cell, and whether those are all."""
        file.seek(row)
        size = _READ if closing is None else min(closing - row + _READ // 16, _READ)
        data = file.read(size)
        whole = len(data) < _READ
        if closing is not None and closing - row < len(data):
            end = data.find(b"\n", closing - row)
            data = data[: end if end >= 0 else len(data)]
            whole = True
        lines = data.decode(self.encoding, "replace").splitlines()
        if not whole:
            lines.pop()
        found = [line for line in lines if line]
        return found[:_LINES], whole and len(found) <= _LINES

    def _whole(self, line: str) -> bool:
        """Whether a line looks like a row of the table."""
        delimiter, width = self.dialect.delimiter, len(self.shapes)
        cells: list[str] | None
        cells, _ = split_careful(line, delimiter, blanks=self.dialect.blanks)
        if len(cells) != width:
            cells = split_stray(line, delimiter, width, self.dialect.blanks)
        if cells is None:
            return False
        return all(
            _fits(cell.strip(' "'), shape) for cell, shape in zip(cells, self.shapes, strict=True)
        )


def _fits(cell: str, shape: Shape) -> bool:
    if shape is None:
        return True
    if shape == "number":
        return not cell or _NUMBER.fullmatch(cell) is not None
    return cell in shape
