"""Profiles of large tables, kept in the cache beside their index of rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anysize.core.files import replacing
from anysize.sources.cache import HEAD, cache_file, kept_facts, signature, write_facts
from anysize.sources.offsets import Offsets
from anysize.sources.tables.dialect import Dialect

if TYPE_CHECKING:
    from anysize.sources.profile import Profile
    from anysize.sources.profile.beside import Beside
    from anysize.sources.profile.facts import Facts
    from anysize.sources.profile.reading import Table

_VERSION = 1
_SUFFIX = "columns"
_LARGE = 1 << 15
_STEP = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table's profile is kept, and what it depends on.

    Attributes:
        path: the table, as the user calls it.
        data: the file of its bytes.
        cache: folder of the cache; None is the user's.
        dialect: how rows and cells are separated; None where rows are not cells.
        encoding: of the table.
        skip: rows before the first record.
    """

    path: Path
    data: Path
    cache: Path | None
    dialect: Dialect | None = None
    encoding: str = "utf-8"
    skip: int = 0

    def read(self, columns: Sequence[str]) -> Profile | None:
        """The profile, where one is kept that is valid."""
        from anysize.sources.profile import Facts, Profile

        target, signed = self._target()
        if kept_facts(target, signed) is None:
            return None
        try:
            with target.open("rb") as file:
                file.seek(HEAD)
                entries = json.loads(file.read())
            if len(entries["facts"]) != len(columns):
                return None
            found = dict(zip(columns, map(Facts.from_json, entries["facts"]), strict=True))
            return Profile.of(entries["rows"], entries["unread"], found)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def beside(self) -> Beside | None:
        """Counts the columns while the table's rows are found; None where that cannot be done."""
        if self.dialect is None or not self.dialect.delimiter or self.dialect.escape:
            return None
        from anysize.sources.profile.beside import Beside

        return Beside(self.data, self.dialect, self.encoding, self.skip)

    def made(self, columns: Sequence[str], starts: Iterable[NDArray[np.uint64]]) -> Profile | None:
        """The profile, kept or else counted now and kept; None where cells cannot be counted.

        Args:
            columns: of the table.
            starts: of its rows, those before the first record included, and the file's end.
        """
        found = self.read(columns)
        beside = None if found is not None else self.beside()
        if beside is None:
            return found
        try:
            for each in starts:
                beside.see(each)
            counted = beside.finish()
        finally:
            beside.close()
        if counted is None:
            return None
        self.write(*counted)
        return self.read(columns)

    def write(self, facts: Sequence[Facts], rows: int, unread: int) -> None:
        """Keeps a profile; a cache that cannot be written keeps none."""
        target, signed = self._target()
        held = {"rows": rows, "unread": unread, "facts": [each.to_json() for each in facts]}
        try:
            with replacing(target, durable=False) as out:
                out.write(b" " * HEAD)
                out.write(json.dumps(held).encode())
                write_facts(out, signed)
        except OSError:
            return

    def keep(self, profile: Profile) -> None:
        """Keeps a profile that was counted row by row."""
        facts = [column.facts for column in profile.columns.values()]
        self.write(facts, profile.rows, profile.unread)

    def _target(self) -> tuple[Path, dict[str, object]]:
        with self.data.open("rb") as file:
            signed = signature(
                file,
                version=_VERSION,
                dialect=None if self.dialect is None else asdict(self.dialect),
                encoding=self.encoding,
                skip=self.skip,
            )
        return cache_file(self.path, _SUFFIX, self.cache), signed


def table_profile(table: Table, offsets: Offsets, place: Place | None) -> Profile:
    """The profile of an opened table; that of a large one is kept.

    Args:
        table: opened.
        offsets: of its rows, those before the first record included.
        place: where it is kept; None keeps none.
    """
    from anysize.sources.profile.reading import read_profile

    if place is None or len(table) < _LARGE:
        return read_profile(table)
    made = place.made(table.columns, _starts(offsets))
    if made is None:
        made = read_profile(table)
        place.keep(made)
    return made


def _starts(offsets: Offsets) -> Iterator[NDArray[np.uint64]]:
    """Starts of rows in order, and last the end of the last one."""
    for at in range(0, len(offsets), _STEP):
        stop = min(at + _STEP, len(offsets))
        found = offsets.block(at, stop)
        yield found if stop == len(offsets) else found[:-1]
