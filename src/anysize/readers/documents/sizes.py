"""Files in pieces, and how large they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from anysize.core.errors import DataError
from anysize.readers.files import open_regular


def file_size(path: Path) -> int:
    """Bytes of a file.

    Raises:
        DataError: it is not there.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from None


def pieces_of(path: Path, size: int) -> Iterator[bytes]:
    """A file in pieces of at most ``size`` bytes.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with os.fdopen(open_regular(path), "rb", buffering=0) as file:
            while piece := file.read(size):
                yield piece
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> DataError:
    """What is wrong with a file that the system does not let one read."""
    return DataError(str(path), f"cannot be read: {error.strerror or error}")
