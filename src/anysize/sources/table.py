"""A table as a source: one record a row, read by position."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ColumnError, DataError
from anysize.core.records import Field, Record
from anysize.modalities import is_content, load
from anysize.readers.cells import Cells, cells_of
from anysize.readers.encodings import advice, printable
from anysize.sources.columns import Request, Role, assign
from anysize.sources.digests import digest_of_contents, digest_of_files
from anysize.sources.hashes import row_hashes
from anysize.sources.model_columns import check_columns
from anysize.sources.offsets import Offsets, RandomFile
from anysize.sources.rows import (
    ROW_LIMIT,
    RepairedRow,
    Row,
    RowError,
    RowFormat,
    Unreadable,
)
from anysize.sources.tables.cell_fields import CellFiles, cell_string
from anysize.sources.tables.leftover import report_unused
from anysize.sources.tables.target_cells import is_blank, needed_contents, target_cell

if TYPE_CHECKING:
    from anysize.sources.profile import Profile
    from anysize.sources.profile.kept import Place
    from anysize.sources.profile.reading import Spread

_BLOCK = 8192
MOST_READ = 1 << 24
_LOOKED_AT = 20


class TableSource:
    """One record a row.

    Args:
        path: the table; picture and text files that its cells name are relative to its folder.
        data: where the rows' bytes are (the table itself, or a spooled form of it).
        offsets: bounds of the rows in ``data``.
        first: the row of ``offsets`` that is record 0 (1 where a header line comes first).
        row_format: how a row is read.
        header: the columns in the order of the file.
        encoding: of ``data``.
        request: roles, and what ids are relative to.
        place: where the profile of its columns is kept; None keeps none.

    Raises:
        DataError: a role has no column.
        ConfigurationError: ``--columns`` names a column that is not there.
    """

    def __init__(
        self,
        path: Path,
        *,
        data: RandomFile,
        offsets: Offsets,
        first: int,
        row_format: RowFormat,
        header: Sequence[str],
        encoding: str,
        request: Request,
        place: Place | None = None,
    ) -> None:
        self._place = place
        self.name = printable(str(path))
        self._path = path
        self._id = request.named(path)
        self._data = data
        self._offsets = offsets
        self._first = first
        self._format = row_format
        self._encoding = encoding
        self._files = CellFiles(path.parent, request.encoding)
        self._roles = assign(self.name, header, request)
        self._keys = {
            role.spec.role: row_format.columns[role.place]
            for role in self._roles
            if role.place >= 0
        }
        self.target_role = next((spec.role for spec in request.of_kind("target")), None)
        self.findings = request.findings
        self._profile: Profile | None = None
        self._joined = {
            role.spec.role: tuple(self._column(name) for name in role.several)
            for role in self._roles
            if role.place >= 0 and role.several
        }
        if any(role.from_file for role in self._roles):
            self._files.tell(self._roles, next(self._first_rows(), None), self._id, self.findings)
        self.spread = self._spread_columns()
        self._numbers: tuple[str, ...] | None = None
        if self.spread is None:
            used = {*self._keys.values(), *itertools.chain(*self._joined.values())}
            report_unused(self._id, self.columns, self._roles, used, self._first_rows(), request)

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns."""
        return tuple(self._format.columns)

    @property
    def kinds(self) -> Mapping[str, str]:
        """Role to kind, for the roles that have a column."""
        return {role.spec.role: role.spec.kind for role in self._roles if role.place >= 0}

    @property
    def roles(self) -> Mapping[str, str]:
        """Role to column, for the roles that have one."""
        return dict(self._keys)

    @property
    def joined(self) -> Mapping[str, tuple[str, ...]]:
        """Role to columns, for the roles that several play together."""
        return {role: columns for role, columns in self._joined.items() if columns}

    def __len__(self) -> int:
        return max(len(self._offsets) - self._first, 0)

    def __getitem__(self, index: int) -> Record:
        return self._record(index, self.row(index))

    def row(self, index: int) -> Row:
        """All cells of a row by column."""
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        start, stop = self._offsets[index + self._first]
        if stop - start > ROW_LIMIT:
            raise self._problem(
                index, f"is {stop - start} bytes long; a row may have {ROW_LIMIT} at most"
            )
        return self._parse(index, start, self._data.read(start, stop - start))

    def ids(self) -> Iterator[str]:
        """The records' ids, without reading them."""
        return (f"{self._id}:{index}" for index in range(len(self)))

    def record_id(self, index: int) -> str:
        """A record's id, without reading it."""
        return f"{self._id}:{index}"

    def id_hashes(self, start: int, stop: int) -> NDArray[np.uint64]:
        """A hash of each id ``[start, stop)``."""
        return row_hashes(self._id, start, stop)

    def targets(self) -> Iterator[str | None]:
        """Every row's target in order; None for rows without one and those that cannot be read."""
        specs = [role.spec for role in self._roles if role.spec.kind == "target"]
        for cell in self.spellings():
            yield specs[0].reading(cell) if cell else None

    def spellings(self) -> Iterator[str | None]:
        """Every row's label as it is written, read in large blocks; empty where there is none.

        None for rows that cannot be read, and for those with nothing to learn from.
        """
        if self.target_role not in self._keys:
            yield from ("" for _ in range(len(self)))
            return
        columns = self._columns_of(str(self.target_role))
        needed = [self._columns_of(role) for role in needed_contents(self._roles)]
        for row in self.rows():
            try:
                blank = row is None or any(is_blank(row, contents) for contents in needed)
                yield None if row is None or blank else target_cell(row, columns, self._id) or ""
            except DataError:
                yield None

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row | None]:
        """Rows ``[start, stop)`` in order, read in large blocks; None for those that cannot be."""
        stop = len(self) if stop is None else min(stop, len(self))
        for at in range(start, stop, _BLOCK):
            bounds = self._offsets.block(
                at + self._first, min(at + _BLOCK, stop) + self._first
            ).tolist()
            low, size = bounds[0], bounds[-1] - bounds[0]
            block = self._data.read(low, size) if size <= MOST_READ else None
            for index, (begin, end) in enumerate(pairwise(bounds), at):
                try:
                    if block is None:
                        yield self.row(index)
                    else:
                        yield self._parse(index, begin, block[begin - low : end - low])
                except DataError:
                    yield None

    def _first_rows(self) -> Iterator[Row]:
        return (row for row in self.rows(0, _LOOKED_AT) if row is not None)

    def _columns_of(self, role: str) -> tuple[str, ...]:
        """The columns of a role that has some."""
        return self._joined.get(role) or (self._keys[role],)

    def _column(self, name: str) -> str:
        """The column of a name, whatever the case."""
        columns = self._format.columns
        folded = [column.strip().lower() for column in columns]
        return name if name in columns else columns[folded.index(name.strip().lower())]

    def fingerprint(self) -> str:
        status = self._path.stat()
        text = f"{self._id}\0{status.st_size}\0{status.st_mtime_ns}\0{sorted(self._keys.items())}"
        if self._joined:
            text += f"\0{sorted(self._joined.items())}"
        text += f"\0{digest_of_files([self._path])}\0{digest_of_contents(self)}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _parse(self, index: int, start: int, raw: bytes) -> Row:
        try:
            line = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise self._problem(
                index,
                f"cannot be decoded as {self._encoding}: {error.reason} at byte "
                f"{start + error.start}; {advice(raw, self._encoding)}",
            ) from None
        if "\0" in line:
            raise self._problem(index, "must not contain NUL bytes")
        try:
            return self._format.parse(line)
        except RowError as problem:
            raise self._problem(index, str(problem)) from None

    def _record(self, index: int, row: Row) -> Record:
        origin = f"{self._id}:{index}"
        fields: dict[str, Field] = {}
        values: dict[str, str] = {}
        target: str | None = None
        used = set(self._keys.values())
        for role in self._roles:
            name = role.spec.role
            if role.place < 0:
                cells = self._cells(row, origin)
                used.update(cells.names)
                fields[name] = cells
                continue
            used.update(self._joined.get(name, ()))
            if is_content(role.spec.kind):
                if (field := self._content(role, row, origin)) is not None:
                    fields[name] = field
            elif (value := self._value(role, row, origin)) is not None:
                if role.spec.kind == "target":
                    target = value
                else:
                    values[name] = value
        for key, cell in row.items():
            if key not in used and not isinstance(cell, bytes | Unreadable):
                value = cell_string(cell, origin, key)
                if value is not None:
                    values[key] = value
        return Record(id=origin, fields=fields, target=target, values=values)

    def _value(self, role: Role, row: Row, origin: str) -> str | None:
        """A short value of a record, a target in its one spelling; None where its cell is empty."""
        key = self._keys[role.spec.role]
        value = target_cell(row, self._columns_of(role.spec.role), origin)
        if role.spec.kind == "target" and value is not None:
            value = role.spec.reading(value)
        if value is None and role.spec.required:
            raise DataError(origin, f"has no value in the column {key!r}")
        return value

    def _content(self, role: Role, row: Row, origin: str) -> Field | None:
        """The content of a record; None where its cell is empty and may be."""
        key = self._keys[role.spec.role]
        field = self._field(role, row, self._columns_of(role.spec.role), origin)
        if field is None and role.spec.required and not role.from_file:
            raise DataError(origin, f"has no value in the column {key!r}")
        return field

    def _field(self, role: Role, row: Row, columns: Sequence[str], origin: str) -> Field | None:
        """The content of a record; None where its cell is empty."""
        key, modality = columns[0], load(role.spec.kind)
        cell = row.get(key)
        if role.from_file or not modality.holds(cell):
            return self._files.field(role.spec, key, cell, origin)
        notes = (row.note,) if isinstance(row, RepairedRow) else ()
        return modality.cells({name: row.get(name) for name in columns}, origin, notes)

    def file_of(self, role: str, name: str) -> Path:
        """The file that a cell of a role names.

        Raises:
            DataError: there is none, or several could be meant.
        """
        return self._files.located(self.kinds[role], name, self._keys[role], self._id)

    def profile(self) -> Profile:
        """What its columns are, by all rows."""
        if self._profile is None:
            from anysize.sources.profile.kept import table_profile

            self._profile = table_profile(self, self._offsets, self._place)
        return self._profile

    def _spread_columns(self) -> Spread | None:
        """The columns of features that have no column of their own.

        Raises:
            DataError: none of them can be learned from.
        """
        role = next((role for role in self._roles if role.place < 0), None)
        if role is None:
            return None
        from anysize.sources.profile.reading import Spread
        from anysize.sources.profile.series import in_series
        from anysize.sources.profile.telling import no_columns

        taken = {*self._keys.values(), *itertools.chain(*self._joined.values())}
        names = tuple(name for name in self.columns if name not in taken)
        if role.several:
            check_columns(self.name, role, self.columns, names, self.findings)
            return Spread(names=role.several, chosen=True)
        if role.spec.axes == 2:
            return in_series(self.profile(), names, self.name, self.findings)
        known = self.profile().columns
        if not any(known[name].usable for name in names):
            raise ColumnError(self.name, no_columns(self.profile(), names))
        return Spread(names=names)

    def _cells(self, row: Row, origin: str) -> Cells:
        """The features of a row; where a model does not name any, all columns of numbers."""
        assert self.spread is not None
        if self._numbers is None:
            self._numbers = self.spread.names
            if not self.spread.chosen:
                known = self.profile().columns
                kinds = ("number", "boolean")
                self._numbers = tuple(n for n in self.spread.names if known[n].kind in kinds)
        return cells_of(row, self.spread.names, self._numbers, origin)

    def _problem(self, index: int, problem: str) -> DataError:
        return DataError(f"{self._id}:{index}", problem)
