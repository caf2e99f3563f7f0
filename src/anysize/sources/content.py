"""Hashes of what records hold, whatever they are called: the same content, the same hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.progress import counted
from anysize.core.records import Record, Source
from anysize.modalities import is_content, of_field
from anysize.readers.files import open_regular
from anysize.sources.rows import Row, as_string

MOST_ROWS = 2_000_000
MOST_FILES = 200_000
MOST_OTHERS = 20_000
"""Records whose contents are looked at, at most: rows of tables, files, and others, which must be
read one by one."""

NOTHING = np.uint64(0)
"""Of a record that cannot be read, or whose content nothing else has."""

_EDGE = 1 << 16


def contents(
    *sources: Source, roles: Collection[str] | None = None
) -> list[NDArray[np.uint64]] | None:
    """A hash of the content of each record, comparable over the sources.

    Args:
        sources: the records.
        roles: the fields that count; None counts all.

    ``NOTHING`` is for records that cannot be read. Texts are compared without blanks around
    them, rows of tables by the columns that are learned from, files by their size, beginning and
    end; files of a size of their own are not read.

    Returns:
        None where there are too many records for it to be worth the time.
    """
    every: dict[int, Source] = {}
    for source in sources:
        every |= {id(leaf): leaf for leaf in leaves(source)}
    files = [leaf for leaf in every.values() if hasattr(leaf, "path")]
    found = _files(files)
    if found is None:
        return None
    for key, leaf in every.items():
        if key in found:
            continue
        table = hasattr(leaf, "rows") and hasattr(leaf, "kinds")
        if len(leaf) > (MOST_ROWS if table else MOST_OTHERS):
            return None
        hashes = counted(
            _rows(leaf, roles) if table else _records(leaf, roles),
            f"looking for copies in {leaf.name}",
            len(leaf),
        )
        found[key] = np.fromiter(hashes, dtype=np.uint64, count=len(leaf))
    return [_of(source, found) for source in sources]


def leaves(source: Source) -> Iterator[Source]:
    """What a source is made of."""
    for part in getattr(source, "parts", ()):
        yield from leaves(part)
    inner = getattr(source, "source", None)
    if inner is not None:
        yield from leaves(inner)
    elif not hasattr(source, "parts"):
        yield source


def _of(source: Source, found: Mapping[int, NDArray[np.uint64]]) -> NDArray[np.uint64]:
    if id(source) in found:
        return found[id(source)]
    parts = getattr(source, "parts", None)
    if parts is not None:
        return np.concatenate([_of(part, found) for part in parts])
    inner: Any = source
    whole = _of(inner.source, found)
    return whole[inner.members()] if hasattr(source, "members") else whole


def record_content(record: Record, roles: Collection[str] | None = None) -> int:
    """The hash of a record's fields; reads texts and pictures whole.

    Args:
        record: is read.
        roles: the fields that count; None counts all.

    Raises:
        DataError: one cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    for role, field in record.fields.items():
        if roles is not None and role not in roles:
            continue
        digest.update(role.encode())
        modality = of_field(field)
        if modality is None:
            digest.update(field.origin.encode("utf-8", "replace"))
        else:
            for part in modality.content(field):
                digest.update(part)
    return int.from_bytes(digest.digest(), "little") or 1


def _records(source: Source, roles: Collection[str] | None) -> Iterator[int]:
    for index in range(len(source)):
        try:
            yield record_content(source[index], roles)
        except DataError:
            yield 0


def _rows(table: Any, roles: Collection[str] | None) -> Iterator[int]:
    columns = _columns(table, roles)
    for row in table.rows():
        yield 0 if row is None else _of_row(row, columns)


def _columns(table: Any, roles: Collection[str] | None) -> tuple[str, ...]:
    """What is learned from: not identifiers, and not the label."""
    kinds = table.kinds
    found = [
        column
        for role, column in table.roles.items()
        if is_content(kinds[role]) and (roles is None or role in roles)
    ]
    spread = table.spread
    if spread is not None and roles is None:
        known = table.profile().columns
        found += [name for name in spread.names if spread.chosen or known[name].usable]
    return tuple(found)


def _of_row(row: Row, columns: tuple[str, ...]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for name in columns:
        cell = row.get(name)
        if isinstance(cell, Mapping) and isinstance(cell.get("bytes"), bytes):
            cell = cell["bytes"]
        if not isinstance(cell, bytes):
            cell = (as_string(cell) or "").strip().encode("utf-8", "replace")
        digest.update(b"%d\0" % len(cell))
        digest.update(cell)
    return int.from_bytes(digest.digest(), "little") or 1


def _files(sources: Sequence[Any]) -> dict[int, NDArray[np.uint64]] | None:
    """By source; None where there are too many files."""
    total = sum(map(len, sources))
    if total > MOST_FILES:
        return None
    sizes = {
        id(each): np.fromiter(
            (_size(each.path(index)) for index in range(len(each))), np.int64, count=len(each)
        )
        for each in sources
    }
    values, counts = np.unique(
        np.concatenate([np.empty(0, np.int64), *sizes.values()]), return_counts=True
    )
    shared = values[(counts > 1) & (values > 0)]
    found = {}
    for each in sources:
        own = sizes[id(each)]
        hashes = np.zeros(len(each), dtype=np.uint64)
        candidates = np.flatnonzero(np.isin(own, shared)).tolist()
        name = f"looking for copies in {each.name}"
        for index in counted(candidates, name, len(candidates), "files"):
            hashes[index] = _of_file(each.path(index), int(own[index]))
        found[id(each)] = hashes
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _of_file(path: Path, size: int) -> int:
    try:
        file = open_regular(path)
    except OSError:
        return 0
    try:
        digest = hashlib.blake2b(b"%d\0" % size, digest_size=8)
        digest.update(os.pread(file, _EDGE, 0))
        if size > _EDGE:
            digest.update(os.pread(file, _EDGE, size - _EDGE))
    except OSError:
        return 0
    finally:
        os.close(file)
    return int.from_bytes(digest.digest(), "little") or 1
