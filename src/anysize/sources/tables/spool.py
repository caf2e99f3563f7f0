"""Another form of a data file, written once into the cache, within limits."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from anysize.core.errors import DataError
from anysize.core.files import free_space, replacing
from anysize.sources.cache import cache_file, signature
from anysize.sources.columns import Request

FLOOR = 1 << 27
"""Bytes that any file may be unpacked to (128 MiB)."""

RATIO = 256
"""How many times its own size a larger file may be unpacked to; tables rarely reach 50."""

_VERSION = 1
_LEFT_FREE = 1 << 28
_LOOK = 1 << 26


class LimitedFile:
    """A file that refuses to grow over a limit, or to fill the disk.

    Args:
        file: opened for writing.
        path: what is unpacked, for messages.
        limit: bytes.
    """

    def __init__(self, file: BinaryIO, path: Path, limit: int) -> None:
        self._file = file
        self._path = path
        self._limit = limit
        self._size = 0
        self._looked = 0

    def write(self, data: bytes) -> int:
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._path, self._limit)
        if self._size >= self._looked:
            self._looked = self._size + _LOOK
            if free_space(self._file.fileno()) < _LEFT_FREE + len(data):
                raise DataError(
                    str(self._path),
                    "does not fit the cache folder, whose disk is nearly full; free some space, or "
                    "choose another folder with the environment variable ANYSIZE_CACHE",
                )
        return self._file.write(data)


def limit_of(size: int) -> int:
    """Bytes that a file of a size may be unpacked to."""
    return max(FLOOR, RATIO * size)


def too_large(path: Path, limit: int) -> DataError:
    """What to raise for a file that grows over its limit."""
    return DataError(
        str(path),
        f"unpacks to more than {limit / (1 << 20):.0f} MiB, as damaged or harmful files of its "
        "size do; if it is sound, unpack or convert it yourself and give the result",
    )


def spooled(
    path: Path,
    file: Path,
    suffix: str,
    request: Request,
    write: Callable[[BinaryIO, BinaryIO], None],
    **depends: Any,
) -> Path:
    """The other form of a file: the one that is kept, while the file is the same, else a new one.

    Args:
        path: what the user calls the file, which decides its place in the cache.
        file: where its bytes are.
        suffix: of the form in the cache.
        request: says which cache.
        write: writes the form of an opened file into another; ``DataError`` where it cannot.
        depends: what else the form depends on.

    Raises:
        DataError: as ``write``, or over the limits.
    """
    target = cache_file(path, suffix, request.cache)
    facts = target.with_name(target.name + ".json")
    with file.open("rb") as source:
        signed = signature(source, version=_VERSION, **depends)
        if _kept(target, facts, signed):
            return target
        with replacing(target, durable=False) as out:
            limit = limit_of(os.fstat(source.fileno()).st_size)
            write(source, cast(BinaryIO, LimitedFile(out, path, limit)))
            size = out.tell()
    with replacing(facts, durable=False) as out:
        out.write(json.dumps({"signature": signed, "size": size}).encode())
    return target


def _kept(target: Path, facts: Path, signed: dict[str, Any]) -> bool:
    try:
        kept = json.loads(facts.read_bytes())
        return bool(kept == {"signature": signed, "size": target.stat().st_size})
    except (OSError, ValueError):
        return False
