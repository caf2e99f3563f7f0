"""Rows of JSON Lines as a file that others open: JSON Lines, CSV or Parquet, by its suffix.

What is nested becomes columns with dotted names (``probabilities.positive``, ``receipt.covered``),
lists become JSON. Rows are read twice, first for the columns, so that memory holds a block of them.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from anysize.core.errors import ConfigurationError, MissingExtraError
from anysize.core.files import ESCAPED, replacing

if TYPE_CHECKING:
    from anysize.tasks.abilities import RowsWriter

_FIRST = ("id", "prediction", "score", "error")
_BLOCK = 4096
# A mapping with more names than this is a cell, not columns.
_MOST_COLUMNS = 1000
# Whole numbers beyond are text in Parquet, which has 64 bits for them.
_LARGEST = 1 << 63


def is_table(out: Path) -> bool:
    """Whether the suffix of a name is that of a table."""
    return out.suffix.lower() in _WRITERS


def check_suffix(
    out: Path,
    formats: Mapping[str, RowsWriter] = MappingProxyType({}),
    others: Iterable[str] = (),
) -> None:
    """Raises a ``ConfigurationError`` for a name whose suffix says no format.

    Args:
        out: the name.
        formats: of the task, by suffix.
        others: suffixes of files that the task writes and that hold no rows, for the message.
    """
    if out.suffix.lower() not in {**_WRITERS, **formats}:
        own = [*dict.fromkeys((*formats, *others))]
        more = "".join(f", {suffix}" for suffix in own)
        found = f"{out.suffix!r} is none of them" if out.suffix else "it has no suffix"
        if own and not out.suffix:
            found += f"; for a folder with a file for each record, add --files {own[-1][1:]}"
        raise ConfigurationError(
            f"--out {out} must end in .jsonl (JSON Lines), .csv{more} or .parquet, which names the "
            f"format; {found}"
        )


def write_table(
    rows: Path, out: Path, formats: Mapping[str, RowsWriter] = MappingProxyType({})
) -> None:
    """Writes rows in the format that ``out`` names, whole or not at all.

    Args:
        rows: JSON Lines.
        out: replaced; written into where it is a device or a named pipe.
        formats: of the task, by suffix.

    Raises:
        OSError: it cannot be written; the rows stay.
    """
    with replacing(out) as file:
        {**formats, **_WRITERS}.get(out.suffix.lower(), _lines)(rows, file)


def _lines(rows: Path, out: BinaryIO) -> None:
    with rows.open("rb") as file:
        shutil.copyfileobj(file, out)


def _csv(rows: Path, out: BinaryIO) -> None:
    columns = _columns(rows)
    text = io.TextIOWrapper(out, encoding="utf-8", errors=ESCAPED, newline="", write_through=True)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in _flat_rows(rows):
        writer.writerow({name: _cell(value) for name, value in row.items()})
    text.flush()
    text.detach()


def _parquet(rows: Path, out: BinaryIO) -> None:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "all") from error
    kinds = {int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_(), str: arrow.string()}
    columns = _columns(rows)
    schema = arrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with parquet.ParquetWriter(out, schema) as writer:
        block: list[dict[str, Any]] = []
        for row in _flat_rows(rows):
            block.append({name: _typed(value, columns[name]) for name, value in row.items()})
            if len(block) == _BLOCK:
                writer.write_table(arrow.Table.from_pylist(block, schema=schema))
                block = []
        if block or not columns:
            writer.write_table(arrow.Table.from_pylist(block, schema=schema))


_WRITERS: Mapping[str, RowsWriter] = {
    ".jsonl": _lines,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _columns(rows: Path) -> dict[str, type]:
    """All columns with the kind of value that fits every row; what matters most comes first."""
    found: dict[str, type | None] = dict.fromkeys(("id",), str)
    for row in _flat_rows(rows):
        for name, value in row.items():
            kind, before = _kind(value), found.setdefault(name, None)
            if before is None or kind is None:
                found[name] = before or kind
            elif before is not kind:
                found[name] = float if {before, kind} == {int, float} else str
    kept = [name for name in found if "." not in name and name not in _FIRST]
    order = [name for name in _FIRST if name in found]
    order[1:1] = kept
    return {name: found[name] or str for name in dict.fromkeys([*order, *found])}


def _kind(value: Any) -> type | None:
    """Of a value; None where there is none, text for numbers that 64 bits do not hold."""
    if value is None or (type(value) is int and not -_LARGEST <= value < _LARGEST):
        return None if value is None else str
    return type(value)


def _flat_rows(rows: Path) -> Iterator[dict[str, Any]]:
    with rows.open("rb") as file:
        for line in file:
            yield flat(json.loads(line))


def flat(entries: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names; lists as JSON."""
    found: dict[str, Any] = {}
    for name, value in entries.items():
        if isinstance(value, Mapping) and len(value) <= _MOST_COLUMNS:
            found |= flat(value, f"{before}{name}.")
        elif isinstance(value, Mapping | list):
            found[before + name] = json.dumps(value, ensure_ascii=False)
        else:
            found[before + name] = value
    return found


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _typed(value: Any, kind: type) -> Any:
    if value is None or type(value) is kind:
        return _whole(value)
    return float(value) if kind is float else _whole(_cell(value))


def _whole(value: Any) -> Any:
    """Without half characters, which a Parquet file cannot hold."""
    return value.encode("utf-8", ESCAPED).decode() if isinstance(value, str) else value
