"""How a text table is written, guessed from its first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from anysize.core.errors import ConfigurationError
from anysize.sources.rows import RowError, split_row
from anysize.sources.tables.cells import split_careful
from anysize.sources.tables.dialect import SIGNS, Dialect

DELIMITERS = (",", ";", "\t", "|")

_SEPARATOR = re.compile(rb'"?sep=(.)"?[ \t]*(?:\r\n|\n|\r)')


def separator_line(head: bytes) -> tuple[str, int] | None:
    """The delimiter that a first line ``sep=;`` gives (Excel's), and that line's length."""
    match = _SEPARATOR.match(head)
    return (match[1].decode("latin-1"), match.end()) if match is not None else None


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


def sniff(lines: Sequence[str], *, tabs: bool, delimiter: str | None, quoting: str) -> Dialect:
    """The dialect of a table.

    Args:
        lines: its first lines.
        tabs: whether its name says that it is separated by tabs; then quotes are ordinary
            characters, unless the cells that begin with one are quoted throughout.
        delimiter: between cells, where it is known.
        quoting: ``on`` (as RFC 4180 says), ``off``, or ``auto``.

    Raises:
        ConfigurationError: a delimiter that is more than one character, or no ASCII.
    """
    delimiter = None if delimiter is None else SIGNS.get(delimiter, delimiter)
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii()):
        raise ConfigurationError(f"delimiter must be one ASCII character, not {delimiter!r}")
    between = delimiter or ("\t" if tabs else sniff_delimiter(lines))
    if quoting == "off" or (quoting == "auto" and tabs and not _quoted(lines, between)):
        return Dialect(delimiter=between, quoting=False)
    plain = Dialect(delimiter=between, quoting=True)
    if quoting == "on":
        return plain
    blanks = replace(plain, blanks=_begins_blank(lines, between))
    if any('\\"' in line for line in lines):
        escaped = replace(blanks, escape=True)
        if _well_formed(lines, escaped) > _well_formed(lines, blanks):
            return escaped
    return blanks


def _well_formed(lines: Sequence[str], dialect: Dialect) -> int:
    """How many lines are cut cleanly into as many cells as the first one."""
    cut = [
        split_careful(line, dialect.delimiter, escape=dialect.escape, blanks=dialect.blanks)
        for line in lines
    ]
    width = len(cut[0][0]) if cut else 0
    return sum(clean and len(cells) == width for cells, clean in cut)


def _begins_blank(lines: Sequence[str], delimiter: str) -> bool:
    """Whether there is a blank behind every delimiter, or before quotes behind one."""
    if delimiter.isspace():
        return False
    before = re.compile(rf'{re.escape(delimiter)}[ \t]+"[^"]*"[ \t]*(?:{re.escape(delimiter)}|\Z)')
    if any(before.search(line) for line in lines):
        dialect = Dialect(delimiter=delimiter, quoting=True)
        if _well_formed(lines, replace(dialect, blanks=True)) >= _well_formed(lines, dialect):
            return True
    cells = [split_careful(line, delimiter)[0][1:] for line in lines]
    several = [row for row in cells if row]
    return len(several) > 1 and all(cell[:1] == " " for row in several for cell in row)


def _quoted(lines: Sequence[str], delimiter: str) -> bool:
    """Whether quotes enclose cells, in a table whose name does not say so."""
    opening = re.compile(rf'(?:^|{re.escape(delimiter)})"')
    quoted = [line for line in lines if opening.search(line)]
    if not quoted:
        return False
    cut = [split_careful(line, delimiter) for line in quoted]
    if not all(clean for _, clean in cut):
        return False
    width = len(split_careful(lines[0], delimiter)[0])
    whole = all(len(cells) == width for cells, _ in cut)
    needed = any(line.count(delimiter) >= width or '""' in line for line in quoted)
    return whole and (needed or len(quoted) == len(lines))
