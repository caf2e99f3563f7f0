"""Training data that is in memory, written into the run's folder as a table.

Workers and a resumed run need it on disk; what was trained on stays beside the model.
"""

from __future__ import annotations

import datetime
import filecmp
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import ConfigurationError
from anysize.core.files import replacing
from anysize.tasks.memory_tables import Rows, plain_cell

FOLDER = "data"
TABLE = "data.jsonl"


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
    """
    path = spooled(out)
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"new-{TABLE}"
    with replacing(beside) as file:
        for place in range(rows.count):
            entries = {
                str(name): _entry(plain_cell(cell), f"row {place}, column {name!r}")
                for name, cell in rows.cells(place).items()
            }
            for name, content in entries.items():
                if isinstance(content, bytes):
                    entries[name] = f"{place:07d}-{name}.png".replace("/", "_")
                    with replacing(folder / entries[name]) as picture:
                        picture.write(content)
            file.write(json.dumps(entries).encode() + b"\n")
    # Of a run that goes on, the table stays the same file.
    if path.exists() and filecmp.cmp(path, beside, shallow=False):
        beside.unlink()
    else:
        beside.replace(path)


def _entry(cell: Any, where: str) -> Any:
    """A cell as JSON has it, or the bytes of a picture."""
    if cell is None or isinstance(cell, str | bytes | bool | int | float):
        return cell
    if isinstance(cell, Path):
        return str(cell.absolute())
    if isinstance(cell, datetime.date | datetime.datetime):
        return cell.isoformat()
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
