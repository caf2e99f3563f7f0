"""What lies beside the tables of a folder: files that no table names, and other data."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.modalities import is_content, load
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.contents import contents, is_result
from anysize.sources.listing import Skipped, entry_kind, is_about, natural, suffix_of, walk
from anysize.sources.table import TableSource
from anysize.sources.tables.packed_names import PACKED, WORKBOOKS, inner_suffix

# Of more rows the names are not remembered.
_MOST_ROWS = 1_000_000


def tell_unnamed(
    folder: Path, sources: Iterable[Source], results: Sequence[Path], request: Request
) -> None:
    """Counts the pictures or recordings in a folder that its tables do not name.

    Where tables hold the data themselves, other data beside them.

    Args:
        folder: in which the tables are.
        sources: the tables.
        results: folders of runs and evaluations, whose files are none of the data.
        request: takes the finding.
    """
    tables = [table for source in sources for table in _tables(source)]
    kinds = {table.kinds[role] for table in tables for role in _roles(table)}
    if not kinds:
        _tell_beside(folder, {Path(table.name).name for table in tables}, request)
    if not kinds or sum(map(len, tables)) > _MOST_ROWS:
        return
    suffixes = frozenset(suffix for kind in kinds for suffix in load(kind).suffixes)
    written = {path.name for path in results}
    there = {
        os.path.normpath(folder / name): name
        for name in walk(folder, suffixes, Skipped())
        if name.partition("/")[0] not in written
    }
    for table in tables:
        for path in _named(folder, table, there):
            there.pop(path, None)
    unnamed = list(there.values())
    if unnamed:
        request.findings.add(
            "files-unnamed",
            f"{folder}: files that its tables do not name are left out",
            count=len(unnamed),
            unit="files",
            examples=sorted(unnamed, key=natural)[:5],
            remedy="add a row for each that belongs to the data",
        )


def _tell_beside(folder: Path, taken: Collection[str], request: Request) -> None:
    """What could be data as well: workbooks, archives, JSON, documents, folders of tables."""
    kinds = [spec.kind for spec in request.roles if is_content(spec.kind)]
    suffixes = {suffix for kind in kinds for suffix in load(kind).suffixes} | {".json"}
    surely, maybe = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            name, suffix = entry.name, inner_suffix(entry.name)
            if name.startswith((".", "__")) or name in taken or is_about(name):
                continue
            if entry_kind(entry) == "folder":
                surely += [f"{name}/"] if _holds_tables(folder / name) else []
            elif suffix in WORKBOOKS or (not suffix and suffix_of(name) in PACKED):
                surely.append(name)
            elif suffix in suffixes:
                maybe.append(name)
    if surely or maybe:
        request.findings.add(
            "beside-tables",
            f"{folder}: what lies beside its tables is left out",
            level="warning" if surely else "note",
            count=len(surely) + len(maybe),
            unit="entries",
            examples=sorted([*surely, *maybe], key=natural),
            remedy="save a sheet as CSV, unpack an archive, or name all paths, if they belong to "
            "the data"
            if surely
            else "",
        )


def _holds_tables(folder: Path) -> bool:
    return not is_result(folder) and bool(contents(folder).tables)


def _tables(source: Source) -> Iterator[TableSource]:
    if isinstance(source, TableSource):
        yield source
    elif isinstance(source, Concat):
        for part in source.parts:
            yield from _tables(part)


def _roles(table: TableSource) -> Iterator[str]:
    """The roles whose columns name files."""
    for role, kind in table.kinds.items():
        if is_content(kind) and load(kind).in_files:
            yield role


def _named(folder: Path, table: TableSource, there: Collection[str]) -> Iterator[str]:
    """The files that the rows of a table name.

    Args:
        folder: in which the table is.
        table: is read.
        there: files that are known to be there; others are looked for.
    """
    columns = {role: table.roles[role] for role in _roles(table)}
    for row in filter(None, table.rows()):
        for role, column in columns.items():
            name = _name(row.get(column))
            if not name:
                continue
            path = os.path.normpath(folder / name.strip().replace("\\", "/"))
            if path not in there:
                with contextlib.suppress(DataError):
                    path = os.path.normpath(table.file_of(role, name))
            yield path


def _name(cell: Any) -> str:
    if isinstance(cell, Mapping):
        cell = cell.get("path")
    return cell if isinstance(cell, str) else ""
