"""Tables that are in memory: data frames, dictionaries of columns, lists of rows, datasets.

None of the libraries that they come from is imported here; they are known by what they have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Field, Record
from anysize.modalities import is_content, load
from anysize.readers.cells import cells_of, lacking
from anysize.sources.columns import ColumnSpec, Request, assign
from anysize.sources.rows import as_string, shown_names
from anysize.sources.tables.target_cells import target_cell

if TYPE_CHECKING:
    pass

NAME = "the table in memory"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by their place.

    Attributes:
        names: of the columns.
        count: of the rows.
        cells: a row's cells by column, as the library has them.
    """

    names: tuple[str, ...]
    count: int
    cells: Callable[[int], Mapping[str, Any]]

    def __post_init__(self) -> None:
        twice = [name for name, times in Counter(self.names).items() if times > 1]
        if twice:
            raise ConfigurationError(
                f"{NAME} has the column {twice[0]!r} more than once ({shown_names(self.names)}); "
                "rename one of them, because it is not clear which is meant"
            )


def rows_of(data: object) -> Rows | None:
    """The rows of a table in memory; None of anything else.

    A dictionary whose values are all sequences of one length is a table by columns; any other is
    one row.
    """
    library = type(data).__module__.partition(".")[0]
    table: Any = data
    if library == "pandas" and hasattr(data, "columns"):
        names = tuple(map(str, table.columns))
        columns = [table.iloc[:, place] for place in range(len(names))]
        return _by_column(names, columns, lambda column, row: column.iat[row])
    if library == "polars" and hasattr(data, "columns"):
        return Rows(tuple(table.columns), len(table), lambda row: table.row(row, named=True))
    if library == "pyarrow" and hasattr(data, "column_names"):
        columns = [table.column(name) for name in table.column_names]
        return _by_column(
            tuple(table.column_names), columns, lambda column, row: column[row].as_py()
        )
    if library == "datasets" and hasattr(data, "column_names") and hasattr(data, "__len__"):
        if isinstance(table.column_names, Mapping):
            splits = ", ".join(table.column_names)
            raise ConfigurationError(f"the dataset has splits: pass one of them ({splits})")
        return Rows(tuple(table.column_names), len(table), lambda row: table[row])
    if isinstance(data, Mapping):
        return _of_mapping(data)
    if isinstance(data, list | tuple) and data and all(isinstance(one, Mapping) for one in data):
        names = tuple(dict.fromkeys(str(name) for one in data for name in one))
        return Rows(names, len(data), lambda row: data[row])
    return None


def one_row(cells: Mapping[Any, Any]) -> Rows:
    """A row alone."""
    return Rows(tuple(map(str, cells)), 1, lambda _: cells)


def _of_mapping(data: Mapping[Any, Any]) -> Rows:
    names = tuple(map(str, data))
    columns = list(data.values())
    kinds = [hasattr(each, "__len__") and not isinstance(each, str | bytes | Mapping)
             for each in columns]  # fmt: skip
    if not all(kinds) or not columns:
        return one_row(data)
    lengths = {name: len(column) for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ConfigurationError(f"the columns of a table must have one length, not {shown}")
    plain = [getattr(column, "tolist", lambda column=column: column)() for column in columns]
    return _by_column(names, plain, lambda column, row: column[row])


def _by_column(
    names: tuple[str, ...], columns: Sequence[Any], cell: Callable[[Any, int], Any]
) -> Rows:
    def cells(row: int) -> Mapping[str, Any]:
        return {name: cell(column, row) for name, column in zip(names, columns, strict=True)}

    return Rows(names, len(columns[0]) if columns else 0, cells)


def plain_cell(cell: Any) -> Any:
    """A cell as Python has it; None where it says that there is nothing."""
    if getattr(cell, "shape", None) == () and hasattr(cell, "item"):
        cell = cell.item()
    missing = type(cell).__name__ in ("NAType", "NaTType") or (
        isinstance(cell, float) and cell != cell
    )
    return None if missing else cell


def _written(cell: Any) -> str | None:
    """A cell as a table in a file has it; lists and objects as JSON."""
    plain = _unwrapped(cell)
    return as_string(plain) if isinstance(plain, list | dict) or plain is None else str(plain)


def _unwrapped(cell: Any) -> Any:
    """Arrays as lists, inside of objects too."""
    if isinstance(cell, Mapping):
        return {str(key): _unwrapped(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_unwrapped(one) for one in cell]
    return _unwrapped(cell.tolist()) if hasattr(cell, "tolist") else cell


class RowsSource:
    """A table in memory as a source; ids count ``0, 1, 2 …``.

    Args:
        rows: the table.
        roles: those that a record must fill.
        columns: role to column, where a column has an unusual name.
        findings: takes what is not used.
        first: the first id.

    Raises:
        DataError: a column is missing.
    """

    name = NAME

    def __init__(
        self,
        rows: Rows,
        *,
        roles: Sequence[ColumnSpec],
        columns: Mapping[str, str],
        findings: Findings | None = None,
        first: int = 0,
    ) -> None:
        request = Request(
            roles=tuple(roles),
            columns=dict(columns),
            root=Path(),
            findings=Findings() if findings is None else findings,
        )
        self._rows = rows
        self._first = first
        self._roles = assign(NAME, rows.names, request)
        taken = {rows.names[role.place] for role in self._roles if role.place >= 0}
        taken |= {name for role in self._roles if role.place >= 0 for name in role.several}
        self._others = tuple(name for name in rows.names if name not in taken)
        for role in self._roles:
            missing = [name for name in role.several if name not in rows.names]
            if missing:
                raise lacking(NAME, missing, rows.names)

    def __len__(self) -> int:
        return self._rows.count

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(index)
        origin = f"row {self._first + index}"
        cells = {str(name): plain_cell(cell) for name, cell in self._rows.cells(index).items()}
        fields: dict[str, Field] = {}
        target: str | None = None
        values: dict[str, str] = {}
        for role in self._roles:
            if role.place < 0:
                names = role.several or self._others
                fields[role.spec.role] = cells_of(cells, names, names, origin)
                continue
            cell = cells.get(self._rows.names[role.place])
            if role.spec.kind == "target" and role.several:
                target = role.spec.reading(target_cell(cells, role.several, origin) or "")
            elif role.spec.kind == "target":
                text = _written(cell)
                target = None if text is None else role.spec.reading(text)
            elif not is_content(role.spec.kind):
                if (text := _written(cell)) is not None:
                    values[role.spec.role] = text
            elif cell is not None:
                fields[role.spec.role] = load(role.spec.kind).memory(cell, origin)
            elif role.spec.required:
                name = str(self._first + index)
                raise DataError(name, f"has no value in the column {role.column!r}")
        return Record(id=str(self._first + index), fields=fields, target=target, values=values)

    def fingerprint(self) -> str:
        return f"memory-{len(self)}"
