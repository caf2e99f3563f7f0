"""JSON Lines files: an object a line (https://jsonlines.org), or a context with its questions."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.readers.encodings import advice
from anysize.sources.columns import Request
from anysize.sources.offsets import Offsets, RandomFile
from anysize.sources.profile.kept import Place
from anysize.sources.row_index import row_index
from anysize.sources.rows import ROW_LIMIT, JsonLines
from anysize.sources.squad import flattened, is_header, is_nested
from anysize.sources.table import TableSource
from anysize.sources.tables.dialect import Dialect
from anysize.sources.tables.nested import flat
from anysize.sources.tables.spool import spooled
from anysize.sources.tables.stored import Stored, stored_text

PROVIDES = ("jsonl", "ndjson")

_SAMPLE_ROWS = 50
_LOOKED_AT = 2
_OPENED = re.compile(r'\{[ \t]*\r?\n\s*"(?:[^"\\\n]|\\.)*"\s*:')
"""The first line of a pretty-printed object is its bracket."""


def open_path(path: Path, request: Request) -> Source:
    """Opens a table of JSON objects; its columns come from the first ones.

    Raises:
        DataError: empty, binary, wrongly encoded, or without a column that is needed.
    """
    from anysize.sources import json_table

    stored = stored_text(path, request)
    if _is_array(stored) or _is_object(stored) or json_table.is_sequence(stored):
        return json_table.open_path(path, request)
    dialect = Dialect(delimiter="", quoting=False, spaces=True)
    offsets = row_index(stored.path, dialect, stored.start, request.cache, name=path).offsets
    if len(offsets) == 0:
        raise DataError(str(path), "holds only blank lines")
    data = RandomFile(stored.path, stored.path.stat().st_size, name=path)
    if _are_nested(path, data, offsets, stored.encoding):
        lines = _flat_lines(path, stored, request)
        return open_path(path, replace(request, stored=lines, encoding="utf-8"))
    header = _keys(path, data, offsets, stored.encoding)
    return TableSource(
        path,
        data=data,
        offsets=offsets,
        first=0,
        row_format=JsonLines(header),
        header=header,
        encoding=stored.encoding,
        request=request,
        place=Place(path=path, data=stored.path, cache=request.cache),
    )


def _is_array(stored: Stored) -> bool:
    """Whether the file is one array of objects, whatever it is called."""
    text = stored.sample.lstrip()
    if not text.startswith(b"["):
        return False
    try:
        first = json.loads(text.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return text[1:].lstrip().startswith(b"{")
    return isinstance(first, list) and bool(first) and isinstance(first[0], dict)


def _is_object(stored: Stored) -> bool:
    """Whether the file is one object of several lines, which may hold an array of objects."""
    text = stored.sample.decode(stored.encoding, "ignore").lstrip()
    if not text.startswith("{"):
        return False
    try:
        json.loads(text.partition("\n")[0])
    except (ValueError, RecursionError):
        return bool(_OPENED.match(text))
    return False


def _are_nested(path: Path, data: RandomFile, offsets: Offsets, encoding: str) -> bool:
    """Whether the first rows have questions inside."""
    for row in range(min(len(offsets), _LOOKED_AT)):
        try:
            found = json.loads(_line(path, data, offsets, row, encoding))
        except (ValueError, RecursionError, DataError):
            return False  # what is wrong is said where rows are read
        if not is_header(found):
            return is_nested(found)
    return False


def _flat_lines(path: Path, stored: Stored, request: Request) -> Path:
    """A line for each question, written once."""

    def write(source: BinaryIO, out: BinaryIO) -> None:
        source.seek(stored.start)
        while line := source.readline(ROW_LIMIT + 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode(stored.encoding))
            except (ValueError, RecursionError):
                # It fails alone, as a row that cannot be read.
                out.write(line.strip() + b"\n")
                continue
            if not is_header(row):
                for found in flattened([row]):
                    out.write(json.dumps(found).encode() + b"\n")

    return spooled(path, stored.path, "questions", request, write, encoding=stored.encoding)


def _keys(path: Path, data: RandomFile, offsets: Offsets, encoding: str) -> list[str]:
    """The keys of the first objects in the order of their appearance, by dotted path."""
    keys: dict[str, None] = {}
    problem: str | None = None
    for row in range(min(len(offsets), _SAMPLE_ROWS)):
        try:
            found = json.loads(_line(path, data, offsets, row, encoding))
        except (ValueError, RecursionError) as error:
            problem = problem or f"row {row} is not JSON: {error}"
            continue
        except DataError as error:
            problem = problem or error.problem
            continue
        if isinstance(found, dict):
            keys.update(dict.fromkeys(flat(found)))
        else:
            problem = problem or f"row {row} must be a JSON object, not {type(found).__name__}"
    if not keys:
        raise DataError(str(path), problem or "holds no JSON objects with keys")
    return list(keys)


def _line(path: Path, data: RandomFile, offsets: Offsets, row: int, encoding: str) -> str:
    start, stop = offsets[row]
    if stop - start > ROW_LIMIT:
        raise DataError(str(path), f"row {row} is {stop - start} bytes long; is it JSON Lines?")
    raw = data.read(start, stop - start)
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            str(path),
            f"row {row} cannot be decoded as {encoding}: {error.reason} at byte "
            f"{start + error.start}; {advice(raw, encoding)}",
        ) from None
