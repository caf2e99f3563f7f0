"""Which column of a table plays which role: by usual names, or as the user says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anysize import modalities
from anysize.core.errors import ColumnError, ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.readers.encodings import printable
from anysize.sources.instead import taken_instead
from anysize.sources.labels.spelling import plain_label
from anysize.sources.model_columns import left_unread
from anysize.sources.rows import shown_names
from anysize.sources.table_settings import wrong_settings

FILE_COLUMN = "file_name"
"""A table's column that names a file beside it: a picture, or a text where no text column is."""


@dataclass(frozen=True, kw_only=True)
class ColumnSpec:
    """A role that a task needs from every record.

    Attributes:
        role: the field's name in ``Record.fields`` (``text``, ``image``, …).
        kind: a modality (``text``, ``image``, ``features``, …) becomes a lazy field, ``target``
            the record's target, ``value`` an entry of ``Record.values`` under the role's name.
            Where a modality is spread over columns, one without a column of its name is made of all
            columns that can be learned from and play no other role.
        names: column names that are taken for it, the likeliest first; case does not matter.
        required: whether data without it is an error.
        several: of features, the columns of a table that a model was trained with. A table must
            have them all, unless it has one of ``names`` instead.
        axes: of the array in memory that is one record of it; 0 leaves it to the modality.
        reading: of a target, what makes one spelling of a cell; None where it says nothing.
        shared: of a content, whether records that have it in common belong in one part of data that
            are divided (the questions of one context).
        passages: of a text, whether long ones are cut into passages, a record each.
        repeated: of a text, whether all of it is read beside each window of the one that is cut
            into windows, as a question beside its context.
        unless: groups of roles; where data have all of a group, they are taken instead.
        folders: of a target, whether the folder that a file is in is one, as that of a class is.
        beside: suffixes of files that have it beside the records' own; they are not passed over.
        spoken: of a text, whether it is what is said in the record's recording, so that it is
            looked for in transcripts beside recordings.
        settled: whether a model was trained with columns of these names, so that no others can be
            added.
    """

    role: str
    kind: str
    names: tuple[str, ...]
    required: bool = True
    several: tuple[str, ...] = ()
    axes: int = 0
    reading: Callable[[str], str | None] = plain_label
    shared: bool = False
    passages: bool = False
    repeated: bool = False
    unless: tuple[tuple[str, ...], ...] = ()
    folders: bool = True
    beside: tuple[str, ...] = ()
    spoken: bool = False
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller of ``open_source`` wants, for the modules that open one kind of file.

    Attributes:
        roles: of the task.
        columns: role to column, given by the user.
        encoding: of text and tables.
        cache: folder of indexes; None is the user's cache folder.
        root: folder that record ids are relative to.
        labelled: whether records without a label are of no use, so that files and folders of them
            are left out.
        findings: takes what opening the data guesses, repairs or leaves out.
        table: how text tables are written, where it is known: ``header`` (``yes``, ``no``),
            ``quoting`` (``on``, ``off``), ``delimiter``.
        stored: where the bytes of the file that is opened are, if it was unpacked.
    """

    roles: tuple[ColumnSpec, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    cache: Path | None = None
    root: Path
    labelled: bool = False
    findings: Findings = field(default_factory=Findings, compare=False)
    table: Mapping[str, str] = field(default_factory=dict)
    stored: Path | None = None

    def __post_init__(self) -> None:
        roles = [spec.role for spec in self.roles]
        problems = [
            f"--columns names the role {role!r}, which this task does not have; its roles are "
            f"{', '.join(roles)}"
            for role in self.columns
            if role not in roles
        ]
        problems += [*wrong_settings(self.table), *left_unread(self.roles, self.columns)]
        if problems:
            raise ConfigurationError(problems)

    def of_kind(self, kind: str) -> list[ColumnSpec]:
        return [spec for spec in self.roles if spec.kind == kind]

    def named(self, path: Path) -> str:
        """The id of a file: its path relative to ``root`` with forward slashes."""
        if self.root == Path(self.root.anchor):  # files that have no folder in common
            return path.as_posix()
        try:
            return printable(path.relative_to(self.root).as_posix())
        except ValueError:
            return printable(path.as_posix())


def usual_names(request: Request) -> set[str]:
    """All names, in lower case, by which a request's columns are found."""
    contents = any(modalities.is_content(spec.kind) for spec in request.roles)
    found = {FILE_COLUMN} if contents else set()
    for spec in request.roles:
        found.update(name.lower() for name in (*spec.names, spec.role))
    for wanted in request.columns.values():
        found.update(part.strip().lower() for part in wanted.split("+") if not part.isdigit())
    return found


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that a table plays: its column's place and whether the column names a file.

    ``place`` is -1 for features that are spread over several columns: those in ``several``, or
    where none is named, all that can be learned from. ``asked`` is whether the user named them. A
    text of several columns is in the column at ``place`` and those that follow in ``several``, and
    so is a target, whose columns say yes or no to a label each.
    """

    spec: ColumnSpec
    column: str
    place: int
    from_file: bool
    several: tuple[str, ...] = ()
    axes: int = 0
    asked: bool = False


class _Header:
    """A table's columns, found by name: as written first, then whatever the case.

    Args:
        origin: the table, for messages.
        columns: their names.
    """

    def __init__(self, origin: str, columns: Sequence[str]) -> None:
        self.origin = origin
        self.columns = columns
        self.shown = shown_names(columns)
        self._folded = [name.strip().lower() for name in columns]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def place(self, name: str) -> int | None:
        """Of the first column of that name, else of that number; None where there is none."""
        if name in self.columns:
            return self.columns.index(name)
        folded = name.strip().lower()
        if folded in self._folded:
            return self._folded.index(folded)
        if folded.isdecimal() and len(folded) < 8 and 0 < int(folded) <= len(self.columns):
            return int(folded) - 1
        return None

    def role(self, spec: ColumnSpec, place: int) -> Role:
        """The role played by the column at a place."""
        named_file = self._folded[place] == FILE_COLUMN
        content = modalities.is_content(spec.kind)
        return Role(
            spec=spec,
            column=self.columns[place],
            place=place,
            from_file=content and (named_file or modalities.load(spec.kind).in_files),
        )

    def usual(self, spec: ColumnSpec, taken: Collection[int]) -> Role | None:
        """The role by the usual names of its column, where one is there and not taken."""
        spread = Role(spec=spec, column="", place=-1, from_file=False, several=spec.several)
        if any(name in self.columns for name in spec.several):
            return spread
        names = [
            *spec.names,
            spec.role,
            *([FILE_COLUMN] if modalities.is_content(spec.kind) else []),
        ]
        for name in names:
            joined = self._joined(spec, name)
            if joined is not None:
                return joined
            folded = name.lower()
            if folded in self._folded and (place := self._folded.index(folded)) not in taken:
                return self.role(spec, place)
        inner = self._inner([name.lower() for name in names], taken)
        if inner is not None:
            return self.role(spec, inner)
        return spread if _reading(spec, "spread") else None

    def _joined(self, spec: ColumnSpec, name: str) -> Role | None:
        """The role of several columns (``a+b``) that are all here; None where they are not."""
        several = tuple(part.strip() for part in name.split("+"))
        joined = spec.kind == "target" or _reading(spec, "joined")
        if not joined or len(several) < 2 or name in self.columns:
            return None
        if not all(part in self.columns for part in several):
            return None
        place = self.columns.index(several[0])
        return Role(
            spec=spec, column=several[0], place=place, from_file=False, several=several, asked=True
        )

    def _inner(self, names: Sequence[str], taken: Collection[int]) -> int | None:
        """The only column of that name which is a value in an object (``data.text``)."""
        dotted = [place for place, name in enumerate(self._folded) if "." in name]
        for end in (-1, 0) if dotted else ():
            for name in names:
                found = [at for at in dotted if self._folded[at].split(".")[end] == name]
                if len(found) == 1 and found[0] not in taken:
                    return found[0]
        return None

    def refuse_doubles(self, roles: Iterable[Role]) -> None:
        """Raises ``DataError`` where the name of a used column is here twice."""
        used = [role for role in roles if role.place >= 0]
        twice = sorted(
            {role.column for role in used if self._folded.count(self._folded[role.place]) > 1}
        )
        if twice:
            raise DataError(
                self.origin,
                f"the header has the column {twice[0]!r} more than once ({self.shown}); rename one "
                "of them, because it is not clear which is meant",
            )


def assign(origin: str, columns: Sequence[str], request: Request) -> tuple[Role, ...]:
    """Finds a column for every role.

    Raises:
        DataError: a required role has no column, or a used name is in the header twice; the
            message lists the columns and how to name the right one.
        ConfigurationError: ``columns`` names a column that is not there.
    """
    header = _Header(origin, columns)
    given = _given(request, header)
    taken = {role.place for role in given.values()}
    roles: list[Role] = []
    missing: list[ColumnSpec] = []
    for spec in request.roles:
        role = given.get(spec.role) or header.usual(spec, taken)
        if role is not None:
            taken.add(role.place)
            roles.append(role)
        elif spec.required:
            missing.append(spec)
    roles, missing = taken_instead(roles, missing, given)
    if missing:
        raise ColumnError(origin, _not_found(missing, header))
    header.refuse_doubles(roles)
    return tuple(roles)


def _given(request: Request, header: _Header) -> dict[str, Role]:
    """The roles whose columns the user names, by their names."""
    found: dict[str, Role] = {}
    wrong: list[str] = []
    for spec in request.roles:
        wanted = request.columns.get(spec.role)
        if wanted is None:
            continue
        asked = f"{header.origin}: --columns {spec.role}={wanted} names"
        joined = spec.kind == "target" or _reading(spec, "joined")
        if (joined or _reading(spec, "spread")) and "+" in wanted and wanted not in header:
            several = tuple(name.strip() for name in wanted.split("+"))
            wrong += [
                f"{asked} the column {name!r}, which is not there. The columns are: {header.shown}"
                for name in several
                if name not in header
            ]
            first = header.place(several[0]) if joined else None
            found[spec.role] = Role(
                spec=spec,
                column="" if first is None else several[0],
                place=-1 if first is None else first,
                from_file=False,
                several=several,
                asked=True,
            )
        elif (place := header.place(wanted)) is not None:
            found[spec.role] = header.role(spec, place)
        else:
            import difflib

            near = difflib.get_close_matches(wanted, header.columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            wrong.append(
                f"{asked} a column that is not there{hint} The columns are: {header.shown}"
            )
    if wrong:
        raise ConfigurationError(wrong)
    return found


def _reading(spec: ColumnSpec, name: str) -> bool:
    """What a column's modality says of reading it; False where it is not content."""
    return modalities.is_content(spec.kind) and bool(getattr(modalities.load(spec.kind), name))


def _not_found(missing: Sequence[ColumnSpec], header: _Header) -> str:
    asked = ",".join(f"{spec.role}=NAME" for spec in missing)
    usual = "; ".join(
        f"{spec.role} ({', '.join(spec.names[:6])}{', …' if len(spec.names) > 6 else ''})"
        for spec in missing
    )
    return (
        f"no column found for {usual}. The columns are: {header.shown}. "
        f"Name the right one with --columns {asked}"
    )
