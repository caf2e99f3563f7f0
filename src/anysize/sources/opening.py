"""Opening data by its path."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.leftovers import is_own_name
from anysize.core.records import Source
from anysize.readers.encodings import canonical
from anysize.sources.boxes.role import wants_objects
from anysize.sources.columns import ColumnSpec, Request
from anysize.sources.parallel.role import wants_pairs
from anysize.sources.table_settings import TABLE_SETTINGS

NOTHING: Mapping[str, str] = MappingProxyType({})

Paths: TypeAlias = str | Path | Sequence[str | Path]
"""A path, a pattern such as ``data/*.csv``, or several of these."""

_MOST_NAMED = 3


def open_source(
    path: Paths,
    *,
    roles: Sequence[ColumnSpec],
    columns: Mapping[str, str] = NOTHING,
    encoding: str = "utf-8",
    cache: Path | None = None,
    findings: Findings | None = None,
    table: Mapping[str, str] = NOTHING,
) -> Source:
    """Opens data as one source, its splits joined.

    Args:
        path: a table (``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``, ``.parquet``), a text file, a
            picture, a folder of these in any of the layouts, a pattern such as ``data/*.csv``,
            or several of these in the order of their records.
        roles: those that a record must fill.
        columns: role to column, where a column has an unusual name.
        encoding: of texts and tables.
        cache: folder for indexes; None is ``$ANYSIZE_CACHE`` or the user's cache folder.
        findings: takes what opening the data guesses, repairs or leaves out.
        table: how text tables are written, where the guesses are wrong: ``header`` (``yes``,
            ``no``), ``quoting`` (``on``, ``off``), ``delimiter``.

    Raises:
        DataError: no such path, an unknown suffix, or data that does not fit the roles.
        ConfigurationError: ``columns`` or ``encoding`` is wrong.
    """
    paths = all_matching(path)
    where = paths[0] if len(paths) == 1 else common_folder(paths)
    request = request_for(where, roles, columns, encoding, cache, findings, table)
    source = None
    if wants_pairs(request):
        from anysize.sources.parallel.layout import open_pairs

        source = open_pairs(paths, request)
    if source is None and len(paths) == 1:
        source = open_one(where, request)
    elif source is None:
        from anysize.sources.concat import Concat

        parts = [open_one(one.absolute(), request) for one in paths]
        source = Concat(called(paths), parts)
    if any(spec.passages for spec in roles):
        from anysize.sources.passages import in_passages

        source = in_passages(source, roles)
    return source


def all_matching(given: Paths, *, once: bool = False) -> list[Path]:
    """The paths that are meant, in the order given, those that patterns match included.

    Args:
        given: a path, a pattern, or several.
        once: leave out a path that is there already.

    Raises:
        DataError: there is none, or nothing at one of them.
    """
    several = [given] if isinstance(given, str | Path) else given
    found = [path for one in several for path in matching(one)]
    if not found:
        raise DataError("data", "at least one path is needed, none was given")
    return list({os.path.realpath(path): path for path in found}.values()) if once else found


def called(given: Paths) -> str:
    """What data are called in messages and in the card of a model: the path, or the first few."""
    if isinstance(given, str | Path):
        return str(given)
    if len(given) == 1:
        return str(given[0])
    shown = ", ".join(map(str, given[:_MOST_NAMED]))
    more = len(given) - _MOST_NAMED
    return shown + (f" and {more:,} more" if more > 0 else "")


def matching(path: str | Path) -> list[Path]:
    """The path, or the paths that a pattern (``data/*.csv``) matches, in natural order.

    Raises:
        DataError: there is nothing.
    """
    text = str(path)
    if not text.strip():
        raise DataError("data", "the path is empty: give a file or a folder ('.' for this one)")
    if glob.has_magic(text) and not Path(path).exists():
        from anysize.sources.listing import natural

        found = sorted(glob.glob(text, recursive=True), key=natural)  # noqa: PTH207
        if not found:
            raise DataError(text, "matches nothing")
        return [Path(one) for one in found]
    return [existing(path)]


def common_folder(paths: Sequence[Path]) -> Path:
    """The innermost folder that all paths are in, temporary ones of this program left aside."""
    given = [one for one in paths if not is_own_name(str(one))] or paths
    return Path(os.path.commonpath([one.absolute().parent for one in given]))


def existing(path: str | Path) -> Path:
    """The path, if there is something.

    Raises:
        DataError: there is nothing; near names are suggested.
    """
    where = Path(path)
    if where.exists():
        return where
    if where.is_symlink():
        raise DataError(str(path), f"is a link to {where.readlink()}, which does not exist")
    import difflib

    above = where.parent
    while not above.is_dir() and above != above.parent:
        above = above.parent
    names = []
    if above.is_dir():
        with os.scandir(above) as entries:
            names = [entry.name for entry, _ in zip(entries, range(10_000), strict=False)]
    missing = where.parts[len(above.parts)] if len(where.parts) > len(above.parts) else where.name
    near = difflib.get_close_matches(missing, names, n=3)
    meant = " or ".join(repr(str(above / name)) for name in near)
    advice = f"; did you mean {meant}?" if near else ""
    prose = " " in str(path).strip() or not str(path).isascii()
    if prose and not near and not where.suffix[1:].isalnum():
        advice = "; to give a text itself, pass it on standard input: echo TEXT | anysize … -"
    raise DataError(str(path), f"does not exist{advice}")


def request_for(
    path: Path,
    roles: Sequence[ColumnSpec],
    columns: Mapping[str, str],
    encoding: str,
    cache: Path | None,
    findings: Findings | None = None,
    table: Mapping[str, str] = NOTHING,
) -> Request:
    """A request whose record ids are relative to ``path``, or to the folder it is in."""
    # A table's settings may be among its columns: ``header=no``, ``quoting=off``.
    names = {spec.role for spec in roles}
    said = {key for key in columns if key in TABLE_SETTINGS and key not in names}
    table = {**{key: columns[key] for key in said}, **table}
    return Request(
        roles=tuple(roles),
        columns={role: column for role, column in columns.items() if role not in said},
        encoding=canonical(encoding),
        cache=cache,
        root=path if path.is_dir() else path.parent,
        findings=Findings() if findings is None else findings,
        table=dict(table),
    )


def open_one(path: Path, request: Request) -> Source:
    """Opens a path that exists."""
    if wants_objects(request):
        from anysize.sources.boxes.layouts import open_objects, without_layout

        objects = open_objects(path, request)
        if objects is not None:
            return objects
        request = without_layout(path, request)
    if path.is_dir():
        from anysize.sources.folder import open_folder

        return open_folder(path, request)
    from anysize.sources.single_file import open_file

    return open_file(path, request)
