"""Where indexes are kept between runs."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO


def cache_folder(chosen: Path | None = None) -> Path:
    """A writable folder for indexes.

    The one chosen, else ``$ANYSIZE_CACHE``, else ``$XDG_CACHE_HOME/anysize``, else
    ``~/.cache/anysize``; where that cannot be written, a temporary folder that is removed when
    the process ends.
    """
    folder = chosen or _usual()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return _temporary()


def cache_file(path: Path, suffix: str, chosen: Path | None = None) -> Path:
    """The cache's file for ``path``; one file of the data has one place in the cache."""
    key = hashlib.blake2b(os.fsencode(path.absolute()), digest_size=16).hexdigest()
    return cache_folder(chosen) / f"{key}.{suffix}"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file beside ``path`` that takes its place when the block ends well, and else goes."""
    descriptor, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _usual() -> Path:
    given = os.environ.get("ANYSIZE_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "anysize"


@cache
def _temporary() -> Path:
    folder = tempfile.mkdtemp(prefix="anysize-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
