"""Cutting one row of a text table into cells where it is not plain RFC 4180."""

from __future__ import annotations

import re
from functools import cache
from itertools import islice

_ESCAPED = re.compile(r'\\([\\"])')
_MOST_OPENINGS = 16
"""Quotes of one row that are tried as ordinary characters."""


def split_careful(
    line: str,
    delimiter: str,
    *,
    escape: bool = False,
    blanks: bool = False,
    strict: bool = False,
    ordinary: int = -1,
) -> tuple[list[str], bool]:
    """The cells of a row, and whether each quoted one is closed and ends at a delimiter.

    A quote that is never closed is an ordinary character.

    Args:
        line: without its line end.
        delimiter: between cells.
        escape: whether a backslash makes the quote, backslash or delimiter behind it ordinary.
        blanks: whether blanks at the beginning of a cell are no part of it.
        strict: whether only a quote before a delimiter or the row's end closes a cell.
        ordinary: place of a quote that does not open a cell.
    """
    quoted, plain = _patterns(delimiter, escape, strict)
    cells: list[str] = []
    clean = True
    place = 0
    while True:
        if blanks:
            while place < len(line) and line[place] in " \t" and line[place] != delimiter:
                place += 1
        text = ""
        if line.startswith('"', place) and place != ordinary:
            match = quoted.match(line, place)
            if match is None:
                clean = False
            else:
                text, place = match[1].replace('""', '"'), match.end()
        rest = plain.match(line, place)
        assert rest is not None
        tail = rest[0].rstrip() if text and blanks else rest[0]
        clean = clean and not (text and tail)
        text += tail
        cells.append(_ESCAPED.sub(r"\1", text) if escape else text)
        if rest.end() >= len(line):
            return cells, clean
        place = rest.end() + 1


def split_repaired(line: str, delimiter: str, wanted: int, blanks: bool) -> list[str] | None:
    """The cells of a row that RFC 4180 cuts into another number of cells; None if nothing fits.

    Tried in this order: backslashes before quotes, quotes inside of quoted cells that are not
    doubled, and single quotes as ordinary characters.
    """
    if '"' not in line:
        return None
    if '\\"' in line:
        cells, clean = split_careful(line, delimiter, escape=True, blanks=blanks)
        if clean and len(cells) == wanted:
            return cells
    cells, clean = split_careful(line, delimiter, strict=True, blanks=blanks)
    if clean and len(cells) == wanted:
        return cells
    return split_stray(line, delimiter, wanted, blanks)


def split_stray(line: str, delimiter: str, wanted: int, blanks: bool) -> list[str] | None:
    """The cells of a row in which a quote that opens a cell is an ordinary character."""
    cells, clean = split_careful(line, delimiter, blanks=blanks)
    if len(cells) == wanted:
        return cells
    opening = re.compile(rf'(?:^|{re.escape(delimiter)})[ \t]*"')
    for match in islice(opening.finditer(line), _MOST_OPENINGS):
        cells, clean = split_careful(line, delimiter, blanks=blanks, ordinary=match.end() - 1)
        if clean and len(cells) == wanted:
            return cells
    return None


@cache
def _patterns(
    delimiter: str, escape: bool, strict: bool
) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A quoted cell, and what lies before the next delimiter. No branch is tried twice."""
    between = re.escape(delimiter)
    ends = rf"(?=[ ]*(?:{between}|\Z))" if strict else ""
    inner = ['[^"\\\\]' if escape else '[^"]', '""']
    if escape:
        inner.append(r"\\.")
    if strict:
        inner.append(rf'"(?![ ]*(?:{between}|\Z))')
    quoted = re.compile(rf'"((?:{"|".join(inner)})*+)"{ends}', re.DOTALL)
    plain = rf"(?:[^{between}\\]|\\.|\\$)*+" if escape else rf"[^{between}]*+"
    return quoted, re.compile(plain, re.DOTALL)
