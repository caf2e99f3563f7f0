"""How a modality's fields are recognised and read: from files, cells of tables, and memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.excerpts import Excerpt
from anysize.core.options import Options
from anysize.core.records import Field


class Reading(ABC):
    """The part of a modality that reading data needs; nothing heavy is imported for it.

    Attributes:
        noun: one of its fields, for messages (``picture``).
        bare: whether files without a suffix may be such files, where they hold no NUL byte.
        strings: whether a string in memory is the content, and not the name of a file.
        in_files: whether a table's cell always names or holds a file.
        spread: whether a field may be made of many columns of a table, one number each.
        joined: whether several columns of a table may be read one after the other.
        longest_column: whether a table without a header has it in the column with the most
            characters.
        live_options: how what comes from a pipe is written; None where nothing does.
    """

    noun: ClassVar[str] = "field"
    bare: ClassVar[bool] = False
    strings: ClassVar[bool] = False
    in_files: ClassVar[bool] = False
    spread: ClassVar[bool] = False
    joined: ClassVar[bool] = False
    longest_column: ClassVar[bool] = False
    live_options: ClassVar[type[Options] | None] = None

    @property
    def suffixes(self) -> frozenset[str]:
        """Of files whose whole content is one field: with the dot, lower case."""
        return frozenset()

    @abstractmethod
    def file(self, path: Path, *, encoding: str = "utf-8") -> Field:
        """The field of a file; its content is not read yet.

        Args:
            path: of the file.
            encoding: of text files.
        """

    def packed(self, content: bytes, origin: str) -> Field:
        """The field of a file's bytes, which a cell holds.

        Raises:
            DataError: it is not read from bytes.
        """
        raise DataError(origin, f"holds bytes, and a {self.noun} is not read from bytes")

    def holds(self, cell: Any) -> bool:
        """Whether a table's cell holds the content, and not the name of a file."""
        return not self.in_files

    def cells(
        self, cells: Mapping[str, Any], origin: str, notes: Sequence[str] = ()
    ) -> Field | None:
        """The field of a table's cells; None where they are empty.

        Args:
            cells: by column, in order; several only where the modality is ``joined``.
            origin: the record, for messages.
            notes: what was repaired in reading the row, for the receipt.

        Raises:
            DataError: they hold something else.
        """
        raise DataError(origin, f"a {self.noun} is not read from the cells of a table")

    @abstractmethod
    def memory(self, item: Any, origin: str) -> Field:
        """One thing in memory as a field.

        Args:
            item: of any type.
            origin: for messages.

        Raises:
            ConfigurationError: it is nothing of that kind.
            DataError: it cannot be used.
        """

    def live(self, stream: Any, origin: str, options: Any) -> Field:
        """What comes without an end as a field that can be read once.

        Args:
            stream: a binary file, or an iterable of what comes; see ``readers.audio.live``.
            origin: for messages.
            options: an instance of ``live_options``.

        Raises:
            ConfigurationError: there is no such thing, or it gives something else.
            DataError: its beginning cannot be read.
        """
        raise ConfigurationError(f"a {self.noun} does not come live: give a file")

    def is_one(self, item: Any, axes: int) -> bool:
        """Whether an array in memory is one record, and not several.

        Args:
            item: no string, bytes or path.
            axes: that the array of one record has, where the task says it (``ColumnSpec.axes``).
        """
        return bool(axes) and getattr(item, "ndim", None) == axes

    def owns(self, field: Field) -> bool:
        """Whether a field is one of this modality's; nothing is read."""
        return False

    def content(self, field: Any) -> Iterator[bytes]:
        """What a field holds, in pieces: two fields that give the same hold the same.

        Raises:
            DataError: it cannot be read.
        """
        yield field.origin.encode("utf-8", "replace")

    def excerpt(self, field: Any, region: Mapping[str, int]) -> Excerpt:
        """What a report shows of a field.

        Args:
            field: one of this modality's.
            region: what the most confident window has read, by the names of the merger's
                ``details["region"]``; empty where that is not known.

        Raises:
            DataError: it cannot be read.
        """
        return Excerpt(where=field.origin)

    def estimated_cost(self, field: Any) -> float:
        """The cost of a field by its size, unread; see ``Settings.unit``."""
        return float(getattr(field, "size_hint", 1))
