"""Which column of a table plays which role: by usual names, or as the user says."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from anysize.core.errors import ConfigurationError, DataError

Kind: TypeAlias = Literal["text", "image", "features", "target", "value"]

CONTENTS: tuple[Kind, ...] = ("text", "image", "features")
"""Kinds that become lazy fields."""

FILE_COLUMN = "file_name"
"""A table's column that names a file beside it: the picture, or the text where no text column is.
"""


@dataclass(frozen=True, kw_only=True)
class ColumnSpec:
    """A role that a task needs from every record.

    Attributes:
        role: the field's name in ``Record.fields`` (``text``, ``image``, …).
        kind: ``text``, ``image`` and ``features`` become lazy fields, ``target`` the record's
            target, ``value`` an entry of ``Record.values`` under the role's name. ``features``
            without a column of its name are all columns of numbers that play no other role.
        names: column names that are taken for it, the likeliest first; case does not matter.
        required: whether data without it is an error.
    """

    role: str
    kind: Kind
    names: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller of ``open_source`` wants, for the modules that open one kind of file.

    Attributes:
        columns: the roles.
        rename: role to column, given by the user.
        encoding: of text and tables.
        cache: folder of indexes; None is the user's cache folder.
        root: folder that record ids are relative to.
    """

    columns: tuple[ColumnSpec, ...]
    rename: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    cache: Path | None = None
    root: Path

    def __post_init__(self) -> None:
        roles = [spec.role for spec in self.columns]
        problems = [
            f"--columns names the role {role!r}, which this task does not have; its roles are "
            f"{', '.join(roles)}"
            for role in self.rename
            if role not in roles
        ]
        if problems:
            raise ConfigurationError(problems)

    def of_kind(self, kind: Kind) -> list[ColumnSpec]:
        return [spec for spec in self.columns if spec.kind == kind]

    def named(self, path: Path) -> str:
        """The id of a file: its path relative to ``root`` with forward slashes."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that a table plays: its column's place and whether the column names a file.

    ``place`` is -1 for features that are spread over several columns: those in ``several``, or
    where none is named, all that hold numbers.
    """

    spec: ColumnSpec
    column: str
    place: int
    from_file: bool
    several: tuple[str, ...] = ()


def assign(origin: str, columns: Sequence[str], request: Request) -> tuple[Role, ...]:
    """Finds a column for every role.

    Raises:
        DataError: a required role has no column, or a used name stands in the header twice; the
            message lists the columns and how to name the right one.
        ConfigurationError: ``rename`` names a column that is not there.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(columns):
        places.setdefault(name.strip().lower(), place)
    exact = {name: place for place, name in reversed(list(enumerate(columns)))}
    shown = ", ".join(columns)
    taken: set[int] = set()
    roles: list[Role] = []
    wrong: list[str] = []
    missing: list[ColumnSpec] = []
    for spec in request.columns:
        wanted = request.rename.get(spec.role)
        if wanted is not None and spec.kind == "features" and "+" in wanted:
            continue
        if wanted is not None:
            where = exact.get(wanted, places.get(wanted.strip().lower()))
            if where is None:
                near = difflib.get_close_matches(wanted, columns, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                wrong.append(
                    f"{origin}: --columns {spec.role}={wanted} names a column that is not "
                    f"there{hint} The columns are: {shown}"
                )
                continue
            taken.add(where)
    for spec in request.columns:
        wanted = request.rename.get(spec.role)
        if wanted is not None and spec.kind == "features" and "+" in wanted:
            several = tuple(name.strip() for name in wanted.split("+"))
            lost = [name for name in several if name not in exact]
            wrong += [
                f"{origin}: --columns {spec.role}={wanted} names the column {name!r}, which is not "
                f"there. The columns are: {shown}"
                for name in lost
            ]
            roles.append(Role(spec=spec, column="", place=-1, from_file=False, several=several))
            continue
        if wanted is not None:
            where = exact.get(wanted, places.get(wanted.strip().lower()))
            if where is not None:
                roles.append(_role(spec, columns, where))
            continue
        names = [*spec.names, spec.role]
        if spec.kind in CONTENTS:
            names.append(FILE_COLUMN)
        free = (places[name.lower()] for name in names if name.lower() in places)
        where = next((place for place in free if place not in taken), None)
        if where is not None:
            taken.add(where)
            roles.append(_role(spec, columns, where))
        elif spec.kind == "features":
            roles.append(Role(spec=spec, column="", place=-1, from_file=False))
        elif spec.required:
            missing.append(spec)
    if wrong:
        raise ConfigurationError(wrong)
    if missing:
        asked = ",".join(f"{spec.role}=NAME" for spec in missing)
        usual = "; ".join(
            f"{spec.role} ({', '.join(spec.names[:6])}{', …' if len(spec.names) > 6 else ''})"
            for spec in missing
        )
        raise DataError(
            origin,
            f"no column found for {usual}. The columns are: {shown}. "
            f"Name the right one with --columns {asked}",
        )
    found = [role for role in roles if role.place >= 0]
    folded = [name.strip().lower() for name in columns]
    twice = sorted({role.column for role in found if folded.count(folded[role.place]) > 1})
    if twice:
        raise DataError(
            origin,
            f"the header has the column {twice[0]!r} more than once ({shown}); rename one of "
            "them, because it is not clear which is meant",
        )
    return tuple(roles)


def _role(spec: ColumnSpec, columns: Sequence[str], place: int) -> Role:
    name = columns[place]
    named_file = spec.kind == "text" and name.strip().lower() == FILE_COLUMN
    return Role(spec=spec, column=name, place=place, from_file=spec.kind == "image" or named_file)
