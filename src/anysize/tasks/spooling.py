"""Training data that is in memory, written into the run's folder as a table.

Workers and a resumed run need it on disk; what was trained on stays beside the model.
"""

from __future__ import annotations

import datetime
import decimal
import filecmp
import fractions
import io
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.files import free_space, replacing
from anysize.core.memory import format_size
from anysize.tasks.memory_tables import Rows, plain_cell

FOLDER = "data"
TABLE = "data.jsonl"

# Bytes after which the disk is looked at again, and rows that show how large a table gets.
LOOK = 1 << 24
_SAMPLED = 32
# What is none of JSON's values, and is the same when it is written out.
_WRITTEN = (decimal.Decimal, fractions.Fraction, datetime.time, datetime.timedelta, uuid.UUID)


def spooled(out: Path) -> Path:
    """Where `spool` writes the table of a run."""
    return out / FOLDER / TABLE


def spool(rows: Rows, out: Path) -> None:
    """Writes a table's rows to ``out/data/data.jsonl``, its pictures beside it.

    One row at a time is held. A table that is there already and has the same rows is left alone.

    Args:
        rows: the table.
        out: folder of the run.

    Raises:
        ConfigurationError: a cell is nothing that a table can hold.
        DataError: the disk has too little space for it.
    """
    path = spooled(out)
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(rows, folder)
    beside = folder / f"new-{TABLE}"
    try:
        with replacing(beside) as file:
            _write(rows, folder, file)
    except BaseException:
        if not path.exists():
            for picture in folder.glob("[0-9]*-*.png"):
                picture.unlink(missing_ok=True)
        raise
    # Of a run that goes on, the table stays the same file.
    if path.exists() and filecmp.cmp(path, beside, shallow=False):
        beside.unlink()
    else:
        beside.replace(path)


def _write(rows: Rows, folder: Path, file: BinaryIO) -> None:
    written, look = 0, LOOK
    for place in range(rows.count):
        entries = _entries(rows, place)
        for name, content in entries.items():
            if isinstance(content, bytes):
                entries[name] = f"{place:07d}-{name}.png".replace("/", "_")
                written += len(content)
                with replacing(folder / entries[name]) as picture:
                    picture.write(content)
        written += file.write(json.dumps(entries).encode() + b"\n")
        if written >= look:
            look = written + LOOK
            if free_space(folder) < 2 * LOOK:
                raise _no_room(folder, f"is nearly full after {place + 1:,} of {rows.count:,} rows")


def _check_room(rows: Rows, folder: Path) -> None:
    """Refuses, by rows from all over the table, what the disk has no space for."""
    places = range(0, rows.count, -(-rows.count // _SAMPLED) or 1)
    sizes = [
        sum(len(cell) if isinstance(cell, bytes) else len(json.dumps(cell)) for cell in row)
        for row in (_entries(rows, place).values() for place in places)
    ]
    needed, free = sum(sizes) * rows.count // max(len(sizes), 1), free_space(folder)
    if needed > free:
        raise _no_room(
            folder, f"has {format_size(free)} free, and it takes about {format_size(needed)}"
        )


def _no_room(folder: Path, found: str) -> DataError:
    return DataError(
        str(folder),
        f"the table in memory is written here, and the disk {found}; free some space, or choose "
        "a folder on another disk with out=",
    )


def _entries(rows: Rows, place: int) -> dict[str, Any]:
    return {
        str(name): _entry(plain_cell(cell), f"row {place}, column {name!r}")
        for name, cell in rows.cells(place).items()
    }


def _entry(cell: Any, where: str) -> Any:
    """A cell as JSON has it, or the bytes of a picture."""
    if cell is None or isinstance(cell, str | bytes | bool | int | float):
        return cell
    if isinstance(cell, Path):
        return str(cell.absolute())
    if isinstance(cell, datetime.date | datetime.datetime):
        return cell.isoformat()
    if isinstance(cell, _WRITTEN) or type(cell).__module__.partition(".")[0] == "pandas":
        return str(cell)  # as prediction reads it
    if isinstance(cell, Mapping) and {"bytes", "path"} <= set(cell):  # as ``datasets`` has it
        return cell["bytes"] if cell["bytes"] is not None else str(Path(cell["path"]).absolute())
    if hasattr(cell, "getbands"):  # PIL
        return _png(cell)
    if getattr(cell, "ndim", 0) >= 2 and str(getattr(cell, "dtype", "")) == "uint8":
        from PIL import Image

        return _png(Image.fromarray(cell))
    values = cell.tolist() if hasattr(cell, "tolist") else cell
    if isinstance(values, list | tuple):
        return [_entry(plain_cell(one), where) for one in values]
    raise ConfigurationError(
        f"{where} is a {type(cell).__name__}, and must be text, a number, a date, a picture or a "
        "list of these"
    )


def _png(picture: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
