"""JSON files: an array of objects, an object that holds one, or columns; JSON Lines; SQuAD."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources import json_lines
from anysize.sources.columns import Request
from anysize.sources.json_stream import SEPARATOR, arrays, entries, values
from anysize.sources.rows import shown_names
from anysize.sources.squad import flattened
from anysize.sources.tables.spool import spooled
from anysize.sources.tables.stored import Stored, stored_text

PROVIDES = ("json",)

_WHOLE = 1 << 26
_BLANKS = " \t\r\n"


def open_path(path: Path, request: Request) -> Source:
    """Opens a JSON file by its rows, which are written out once as JSON Lines.

    Raises:
        DataError: damaged, without rows, or without a column that is needed.
    """
    stored = stored_text(path, request)
    begins = stored.sample.lstrip()[:1]
    if begins == b"{" and _are_lines(stored):
        return json_lines.open_path(path, request)
    sequence = is_sequence(stored)
    if begins not in (b"[", b"{") and not sequence:
        raise DataError(str(path), "is not JSON: it begins with neither [ nor {")

    def write(source: BinaryIO, out: BinaryIO) -> None:
        source.seek(stored.start)
        text = io.TextIOWrapper(source, encoding=stored.encoding)
        try:
            if sequence:
                rows = values(cast(Any, text), str(path))
            else:
                rows = _rows(path, text, begins == b"[", stored.path.stat().st_size)
            for row in flattened(rows):
                out.write(json.dumps(row).encode() + b"\n")
        except UnicodeDecodeError as error:
            raise DataError(str(path), f"is not {stored.encoding}: {error.reason}") from None
        except RecursionError:
            raise DataError(str(path), "is nested too deeply") from None
        finally:
            text.detach()

    if sequence:
        request.findings.add(
            "json-not-in-lines",
            f"{request.named(path)} holds JSON objects one after the other, not one a line; they "
            "are read as its rows",
            level="note",
            unit="files",
        )
    lines = spooled(path, stored.path, "lines", request, write, encoding=stored.encoding)
    return json_lines.open_path(path, replace(request, stored=lines, encoding="utf-8"))


def is_sequence(stored: Stored) -> bool:
    """Whether objects follow each other, pretty-printed, with commas, or without line ends between.

    One object of several lines that holds neither lists nor objects is such a sequence too.
    """
    text = stored.sample.decode(stored.encoding, "ignore").lstrip(_BLANKS + SEPARATOR)
    try:
        first, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(first, dict):
        return False
    if stored.sample.strip().startswith(SEPARATOR.encode()):
        return True
    line, _, below = text.partition("\n")
    rest = text[end:].lstrip(_BLANKS)
    if not rest:
        return end > len(line) and not any(isinstance(each, list | dict) for each in first.values())
    if rest[0] not in "{,":
        return False
    second = below.lstrip().partition("\n")[0]
    return end > len(line) or not (_is_object(line) or _is_object(second))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _are_lines(stored: Stored) -> bool:
    """Whether each line is an object; a single one, if it holds no rows."""
    first, _, rest = stored.sample.lstrip().partition(b"\n")
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    if rest.strip():
        return rest.lstrip().startswith(b"{")
    inner = row.values() if isinstance(row, dict) else ()
    return not any(isinstance(value, list | dict) for value in inner)


def _rows(path: Path, text: io.TextIOWrapper, is_array: bool, size: int) -> Iterator[Any]:
    if is_array:
        yield from entries(cast(Any, text), str(path))
        return
    if size <= _WHOLE:
        whole = text.read()
        columns = _columns(whole, str(path))
        if columns is not None:
            yield from columns
            return
        text = cast(Any, io.StringIO(whole))
    yield from _inner_rows(path, cast(Any, text))


def _columns(text: str, origin: str) -> list[dict[str, Any]] | None:
    """Rows of an object of columns, each a list or an object by row; None where it is no such.

    Raises:
        DataError: the columns have different lengths.
    """
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not found:
        return None
    columns = {
        name: list(column.values()) if isinstance(column, Mapping) else column
        for name, column in found.items()
    }
    if not all(isinstance(column, list) and column for column in columns.values()):
        return None
    if any(isinstance(cell, dict) for column in columns.values() for cell in column[:1]):
        return None
    if len({len(column) for column in columns.values()}) != 1:
        shown = shown_names([f"{name} {len(column)}" for name, column in columns.items()])
        raise DataError(origin, f"holds columns of different lengths: {shown}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _inner_rows(path: Path, text: Any) -> Iterator[Any]:
    """The objects of the one array in an object that holds objects."""
    chosen: str | None = None
    for key, entry in arrays(text, str(path)):
        if not isinstance(entry, dict):
            continue
        if chosen is None:
            chosen = key
        if key != chosen:
            raise DataError(
                str(path),
                f"holds several lists of objects ({chosen}, {key}); save each as a file of its own",
            )
        yield entry
    if chosen is None:
        raise DataError(str(path), "holds no list of objects; a table is an array of objects")
