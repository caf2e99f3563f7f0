"""How a text table is written, and what was mended in reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

SIGNS = {"comma": ",", "tab": "\t", "space": " "}
"""Delimiters that cannot be written on a command line, by their names."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How rows are separated, and cut into cells.

    Attributes:
        delimiter: between cells; empty where rows are not cells (JSON Lines).
        quoting: whether cells may be quoted, line ends inside included. With quoting a carriage
            return alone ends a row too; without, only a line feed does.
        spaces: whether a line of nothing but spaces is blank, and so no row.
        escape: whether a backslash makes the quote behind it an ordinary character.
        blanks: whether blanks at the beginning of a cell are no part of it.
    """

    delimiter: str
    quoting: bool
    spaces: bool = False
    escape: bool = False
    blanks: bool = False


class Judge(Protocol):
    """Decides about quotes that make a row of several lines; see ``sources.quotes``."""

    def stray(self, file: BinaryIO, row: int, closing: int | None) -> bool:
        """Whether the quote is an ordinary character.

        Args:
            file: the table; its position is moved.
            row: where the row begins.
            closing: place of the quote that would close its cell; None where the file ends before.
        """
        ...


@dataclass(kw_only=True)
class Repairs:
    """What a pass mended; rows are counted from the first one, 0, which may be the header.

    Attributes:
        headers: repeated headers that were left out.
        headers_at: the rows behind some of them.
        quotes: stray quotes that are read as characters.
        quotes_at: the rows of some of them.
        swallowed: lines that the cells would have held that stray quotes open.
    """

    headers: int = 0
    headers_at: list[int] = field(default_factory=list)
    quotes: int = 0
    quotes_at: list[int] = field(default_factory=list)
    swallowed: int = 0
