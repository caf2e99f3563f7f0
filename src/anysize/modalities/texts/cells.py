"""Texts in the cells of a table, and in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import ConfigurationError, DataError
from anysize.readers import documents
from anysize.readers.text import Text
from anysize.sources.tables.cell_fields import cell_text

if TYPE_CHECKING:
    from anysize.readers.documents.text import DocumentText


class NotedText(Text):
    """A text with sentences for its receipt.

    Args:
        content: the text.
        origin: what messages call it.
        notes: what was repaired.
    """

    __slots__ = ("_notes",)

    def __init__(self, content: str, origin: str, notes: tuple[str, ...]) -> None:
        super().__init__(content, origin)
        self._notes = notes

    def notes(self) -> tuple[str, ...]:
        """What was repaired, a plain sentence each."""
        return self._notes


def field_of(cells: Mapping[str, Any], origin: str, notes: Sequence[str]) -> Text | None:
    """The text of cells, by column; None where all are empty. See ``Reading.cells``."""
    text = cell_text(cells, origin)
    if text is None:
        return None
    origin = f"{origin} column {next(iter(cells))!r}"
    return NotedText(text, origin, tuple(notes)) if notes else Text(text, origin)


def of_file(path: Path, encoding: str = "utf-8") -> Text | DocumentText:
    """The text of a file: a document, or plain text."""
    if documents.format_of(path) is not None:
        from anysize.readers.documents.text import DocumentText

        return DocumentText(path, encoding)
    return Text(path, encoding=encoding)


def in_memory(item: Any, origin: str) -> Text | DocumentText:
    """A string, bytes in UTF-8 or a path as a text; see ``Reading.memory``."""
    if isinstance(item, bytes):
        try:
            return Text(item.decode(), origin=origin)
        except UnicodeDecodeError as error:
            raise DataError(origin, f"is not UTF-8: {error.reason} at byte {error.start}") from None
    if isinstance(item, Path):
        return of_file(item)
    if isinstance(item, str):
        return Text(item, origin=origin)
    raise ConfigurationError(f"{origin} is a {type(item).__name__}, and must be a string or a path")
