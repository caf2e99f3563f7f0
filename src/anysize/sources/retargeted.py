"""Records with other targets than the data have, from a file: those that a teacher has written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import Record, Source, record_id

TARGET = "target"
"""Of a line: what takes the place of the record's own target; without it, that stays."""

_BLOCK = 1 << 20
_LONGEST = 16 << 20  # bytes of a line


class Retargeted:
    """The records of a source, each with the target of its line in a file.

    A line is a JSON object with ``id``, the record's, and mostly ``target``. The file is mapped,
    so that of it memory holds where its lines are, eight bytes a record. Safe to read from several
    threads.

    Args:
        source: the records.
        path: of the file, with a line for each record, in their order.

    Raises:
        DataError: there are more or fewer lines than records.
    """

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.name = source.name
        self._path = path
        try:
            size = path.stat().st_size
            self._bytes: NDArray[np.uint8] = (
                np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
            )
        except OSError as error:
            raise DataError(str(path), f"cannot be read: {error.strerror or error}") from error
        self._stops = _line_ends(self._bytes)
        if len(self._stops) != len(source):
            raise DataError(
                str(path),
                f"has {len(self._stops)} lines of targets, and {source.name} has {len(source)} "
                "records: it was written for other data",
            )

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        record = self.source[index]
        entries = self._line(index)
        if entries.get("id") != record.id:
            raise DataError(
                str(self._path),
                f"line {index + 1} is of {entries.get('id')!r}, and the record is {record.id}: it "
                "was written for other data",
            )
        target = entries.get(TARGET)
        return record if target is None else replace(record, target=target)

    def record_id(self, index: int) -> str:
        """As the source gives it."""
        return record_id(self.source, index)

    def fingerprint(self) -> str:
        return self.source.fingerprint()

    def _line(self, index: int) -> dict[str, Any]:
        start = int(self._stops[index - 1]) + 1 if index else 0
        stop = int(self._stops[index])
        try:
            if stop - start > _LONGEST:
                raise ValueError(f"it has {stop - start:,} bytes")
            entries = json.loads(self._bytes[start:stop].tobytes())
            if not isinstance(entries, dict):
                raise ValueError("it is no JSON object")
        except ValueError as error:
            raise DataError(str(self._path), f"line {index + 1} is damaged: {error}") from error
        return entries


def _line_ends(content: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where line feeds are."""
    found = [
        start + np.flatnonzero(content[start : start + _BLOCK] == ord("\n"))
        for start in range(0, len(content), _BLOCK)
    ]
    return np.concatenate(found).astype(np.int64) if found else np.empty(0, np.int64)
