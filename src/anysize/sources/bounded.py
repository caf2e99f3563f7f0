"""Files whose records are between two places each, which are all that is held of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.sources.columns import Request
from anysize.sources.digests import digest_of_files
from anysize.sources.offsets import RandomFile
from anysize.sources.rows import ROW_LIMIT


class BoundedRecords:
    """What the sources of such files have in common.

    Args:
        path: the file.
        request: what ids are relative to.
        bounds: where records begin and end, int64 ``[records, 2]``.
        noun: what a record is, for messages.
    """

    def __init__(self, path: Path, request: Request, bounds: NDArray[Any], noun: str) -> None:
        self.name = str(path)
        self.findings = request.findings
        self._path, self._id = path, request.named(path)
        self._bounds, self._noun = bounds, noun
        self._data = RandomFile(path, path.stat().st_size)

    def __len__(self) -> int:
        return len(self._bounds)

    def record_id(self, index: int) -> str:
        """A record's id, without reading it."""
        return f"{self._id}:{index}"

    def ids(self) -> Iterator[str]:
        """The records' ids, without reading them."""
        return map(self.record_id, range(len(self)))

    def settings(self) -> str:
        """What the records depend on besides the file."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        status = self._path.stat()
        text = (
            f"{self._id}\0{status.st_size}\0{status.st_mtime_ns}\0{self.settings()}\0"
            f"{digest_of_files([self._path])}"
        )
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def raw(self, index: int) -> bytes:
        """The bytes of a record.

        Raises:
            DataError: they are too many.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        start, stop = self._bounds[index].tolist()
        if stop - start > ROW_LIMIT:
            raise DataError(
                self.record_id(index),
                f"a {self._noun} may have {ROW_LIMIT} bytes, not {stop - start}",
            )
        return self._data.read(start, stop - start)
