"""Where indexes are kept between runs, and when they are valid.

A cache file begins with ``HEAD`` bytes of JSON padded with spaces: ``signature`` and other facts.
The signature holds the data file's size and modification time, a digest of its first and last
64 KiB, and whatever else the contents depend on (the format's version above all).
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

HEAD = 4096
_EDGE = 1 << 16


def cache_folder(chosen: Path | None = None) -> Path:
    """A writable folder for indexes.

    The one chosen, else ``$ANYSIZE_CACHE``, else ``$XDG_CACHE_HOME/anysize``, else
    ``~/.cache/anysize``; where that cannot be written, a temporary folder that is removed when
    the process ends.
    """
    try:
        folder = chosen or _usual()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except (OSError, RuntimeError):
        # RuntimeError: there is no home folder.
        pass
    return _temporary()


def cache_file(path: Path, suffix: str, chosen: Path | None = None) -> Path:
    """The cache's file for ``path``; one file of the data has one place in the cache."""
    key = hashlib.blake2b(os.fsencode(path.absolute()), digest_size=16).hexdigest()
    return cache_folder(chosen) / f"{key}.{suffix}"


def signature(file: BinaryIO, **depends: Any) -> dict[str, Any]:
    """What a cache file of an open data file must have been made from to be valid."""
    status = os.fstat(file.fileno())
    digest = hashlib.blake2b(os.pread(file.fileno(), _EDGE, 0), digest_size=16)
    digest.update(os.pread(file.fileno(), _EDGE, max(status.st_size - _EDGE, 0)))
    return {
        "size": status.st_size,
        "modified": status.st_mtime_ns,
        "edges": digest.hexdigest(),
        **depends,
    }


def write_facts(out: BinaryIO, signed: dict[str, Any], **facts: Any) -> None:
    """Writes a cache file's head; ``out`` is complete with it."""
    head = json.dumps({"signature": signed, "size": out.seek(0, os.SEEK_END), **facts}).encode()
    if len(head) > HEAD:
        raise ValueError(f"the head of a cache file has {HEAD} bytes, not {len(head)}")
    out.seek(0)
    out.write(head.ljust(HEAD))


def kept_facts(target: Path, signed: dict[str, Any]) -> dict[str, Any] | None:
    """The facts of a cache file, or None where it is missing, incomplete or out of date."""
    try:
        with target.open("rb") as file:
            facts: dict[str, Any] = json.loads(file.read(HEAD))
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError):
        return None
    valid = facts.get("signature") == signed and facts.get("size") == size
    return facts if valid else None


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
