"""A digest of a sample of the data's bytes, which sees changes that sizes and times do not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from anysize.core.records import Source
from anysize.readers.files import open_regular
from anysize.sources.content import leaves

_FILES = 64
_BLOCKS = 16
_BLOCK = 1 << 12


def sample_digest(source: Source) -> str:
    """Of blocks evenly spread over tables and archives, and of some of the files of folders.

    A file that cannot be read any more changes the digest; nothing is raised.
    """
    digest = hashlib.blake2b(digest_size=16)
    for leaf in leaves(source):
        for path, blocks in _places(leaf):
            digest.update(_of(path, blocks))
    return digest.hexdigest()


def _places(leaf: Any) -> list[tuple[Path, int]]:
    if hasattr(leaf, "path") and callable(leaf.path):
        size = len(leaf)
        step = max(size // _FILES, 1)
        return [(leaf.path(index), 2) for index in range(0, size, step)]
    path = Path(leaf.name)
    return [(path, _BLOCKS)] if path.is_file() else []


def _of(path: Path, blocks: int) -> bytes:
    """Blocks of a file, the first and the last among them."""
    try:
        file = open_regular(path)
    except OSError:
        return b"gone"
    try:
        size = os.fstat(file).st_size
        last = max(size - _BLOCK, 0)
        starts = sorted({last * place // max(blocks - 1, 1) for place in range(blocks)})
        digest = hashlib.blake2b(b"%d" % size, digest_size=16)
        for start in starts:
            digest.update(os.pread(file, _BLOCK, start))
        return digest.digest()
    except OSError:
        return b"gone"
    finally:
        os.close(file)
