"""What a cell of a table holds: a string, a text, or the name or bytes of a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.records import Field
from anysize.modalities import load
from anysize.sources.columns import ColumnSpec
from anysize.sources.rows import CELL_LIMIT, Unreadable, as_string

# Of a file with its folders; what is longer is something else.
_LONGEST_NAME = 1024


def cell_string(cell: Any, origin: str, column: str) -> str | None:
    """A cell as a string, None for null.

    Args:
        cell: of whatever type its table gives.
        origin: the record.
        column: the cell's.

    Raises:
        DataError: too long, or nested too deeply.
    """
    if isinstance(cell, Unreadable):
        raise DataError(origin, f"has {cell.reason}, in the column {column!r}")
    try:
        value = as_string(cell)
    except RecursionError:
        raise DataError(origin, f"is nested too deeply in the column {column!r}") from None
    if value is not None and len(value) > CELL_LIMIT:
        raise DataError(
            origin,
            f"has {len(value)} characters in the column {column!r}; a cell may have {CELL_LIMIT} "
            "at most: put the text into a file of its own and its name into a column file_name",
        )
    return value


def cell_text(cells: Mapping[str, Any], origin: str) -> str | None:
    """The text of a cell, or of several by column, one after the other; None where all are null.

    Lists of words are joined by blanks.

    Raises:
        DataError: as ``cell_string``, or an object.
    """
    parts = []
    for column, cell in cells.items():
        if isinstance(cell, list) and not any(isinstance(one, list | dict) for one in cell):
            cell = " ".join(as_string(word) or "" for word in cell)
        elif isinstance(cell, list | dict):
            kind = "a list of lists or objects" if isinstance(cell, list) else "an object"
            raise DataError(origin, f"has {kind} in the column {column!r}, which is no text")
        part = cell_string(cell, origin, column)
        if part is not None:
            parts.append(part)
    return "\n".join(parts) if parts else None


class CellFiles:
    """Files that cells of one table name, or hold.

    Args:
        folder: that their names are relative to.
        encoding: of text files.
    """

    def __init__(self, folder: Path, encoding: str) -> None:
        self._folder = folder
        self._encoding = encoding
        self._nearest: str | None = None

    def field(self, spec: ColumnSpec, column: str, cell: Any, origin: str) -> Field | None:
        """The field of a cell; None where it is empty and need not be there.

        Raises:
            DataError: no file name, an address, or a name that leads out of the folder.
        """
        if isinstance(cell, Mapping):
            # How the datasets library keeps pictures in Parquet.
            inner = cell.get("bytes")
            cell = inner if isinstance(inner, bytes) else cell.get("path")
        modality = load(spec.kind)
        if isinstance(cell, bytes):
            return modality.packed(cell, f"{origin} column {column!r}")
        name = cell_string(cell, origin, column)
        if not name:
            if spec.required:
                raise DataError(origin, f"has no file name in the column {column!r}")
            return None
        return modality.file(self._path(name, column, origin), encoding=self._encoding)

    def _path(self, name: str, column: str, origin: str) -> Path:
        path = self._folder / _inside(name, column, origin)
        if os.path.lexists(path):
            return path
        # As Windows writes paths, and tables that are lined up.
        plain = name.strip().replace("\\", "/")
        other = self._folder / _inside(plain, column, origin)
        if plain and os.path.lexists(other):
            return other
        if len(name) > _LONGEST_NAME or name.startswith("data:"):
            raise DataError(
                origin,
                f"has no file name in the column {column!r}, but {len(name):,} characters, such as "
                f"{name[:20]!r}; files in base64 are not read: write them beside the table",
            )
        where = "" if Path(name).is_absolute() else f" in {self._folder}{self._hint(plain)}"
        raise DataError(
            origin, f"names {name!r} in the column {column!r}, but there is no such file{where}"
        )

    def _hint(self, name: str) -> str:
        """Where the first file that was not found is instead, if that is beside the table."""
        if self._nearest is None:
            self._nearest = ""
            with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
                there = (
                    each.name
                    for each in entries
                    if each.is_dir() and os.path.lexists(Path(each.path, name))
                )
                found = next(there, None)
                if found is not None:
                    self._nearest = f"; it is in the folder {found}: write {found}/ before names"
        return self._nearest


def _inside(name: str, column: str, origin: str) -> Path:
    if "://" in name:
        raise DataError(
            origin, f"names the address {name!r} in the column {column!r}; only files are read"
        )
    if "\0" in name:
        raise DataError(origin, f"has a NUL character in the column {column!r}")
    relative = Path(name)
    if not relative.is_absolute() and Path(os.path.normpath(relative)).parts[:1] == ("..",):
        raise DataError(
            origin,
            f"names {name!r} in the column {column!r}, which leads out of the table's folder; "
            "use a path inside it, or an absolute one",
        )
    return relative
