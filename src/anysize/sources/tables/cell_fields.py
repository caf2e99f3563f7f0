"""What a cell of a table holds: a string, a text, or the name or bytes of a file."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.records import Field
from anysize.modalities import load
from anysize.sources.columns import ColumnSpec, Role
from anysize.sources.rows import CELL_LIMIT, Row, Unreadable, as_string

# Of a file with its folders; what is longer is something else.
_LONGEST_NAME = 1024
_MOST_FOLDERS = 16
_LOOKED_AT = 10_000


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
        folder: that their names are relative to. Names of files that are not there are looked for
            in the folders inside, if these are few, also without their suffix: data of speech have
            ``clips/1.mp3`` as ``1.mp3``, or as ``1``.
        encoding: of text files.
    """

    def __init__(self, folder: Path, encoding: str) -> None:
        self._folder = folder
        self._encoding = encoding
        self._inner: list[str] | None = None
        self._ends: dict[str, list[str]] = {}

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
        path = self.located(spec.kind, name, column, origin)
        return modality.file(path, encoding=self._encoding)

    def tell(self, roles: Iterable[Role], row: Row | None, origin: str, findings: Findings) -> None:
        """Notes that files are elsewhere than beside the table, as the first row has it."""
        for role in roles if row is not None else ():
            cell = row.get(role.column) if row is not None else None
            if not role.from_file or not isinstance(cell, str) or not cell:
                continue
            with contextlib.suppress(DataError):
                found = self.located(role.spec.kind, cell, role.column, origin)
                if found.parent != (self._folder / _inside(cell, role.column, origin)).parent:
                    findings.add(
                        "files-in-folder",
                        f"the files that the column {role.column!r} names are in the folder "
                        f"{found.relative_to(self._folder).parts[0]}, and are read there",
                        level="note",
                        unit="tables",
                        examples=[origin],
                    )

    def located(self, kind: str, name: str, column: str, origin: str) -> Path:
        """The file of a name.

        Args:
            kind: its modality.
            name: as the cell has it.
            column: of the cell, for messages.
            origin: of the record.

        Raises:
            DataError: there is none, or several could be meant.
        """
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
        found = [] if Path(plain).is_absolute() else self._elsewhere(kind, plain)
        if len(found) == 1:
            return found[0]
        if found:
            shown = ", ".join(str(each.relative_to(self._folder)) for each in found)
            raise DataError(
                origin,
                f"names {name!r} in the column {column!r}, and several files could be meant "
                f"({shown}): write the folder before the names",
            )
        where = "" if Path(name).is_absolute() else f" in {self._folder}"
        raise DataError(
            origin, f"names {name!r} in the column {column!r}, but there is no such file{where}"
        )

    def _elsewhere(self, kind: str, name: str) -> list[Path]:
        """Files of a name in the folders inside, else those of it with the suffix of their kind."""
        if self._inner is None:
            with contextlib.suppress(OSError):
                self._inner = sorted(each.name for each in self._folder.iterdir() if each.is_dir())
            if self._inner is None or len(self._inner) > _MOST_FOLDERS:
                self._inner = []
        folders = [self._folder, *(self._folder / each for each in self._inner)]
        found = [path for each in folders[1:] if os.path.lexists(path := each / name)]
        if found:
            return found
        if kind not in self._ends:
            self._ends[kind] = _suffixes_in(folders, load(kind).suffixes)
        return [
            path
            for each in folders
            for end in self._ends[kind]
            if os.path.lexists(path := each / f"{name}{end}")
        ]


def _suffixes_in(folders: Sequence[Path], known: Collection[str]) -> list[str]:
    """The suffixes of a kind that files of some folders have."""
    found: set[str] = set()
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            names = (entry.name for entry in itertools.islice(entries, _LOOKED_AT))
            found.update(Path(name).suffix for name in names)
    return sorted(end for end in found if end.lower() in known)


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
