"""Files of weights that packages carry, checked against pinned digests once."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from anysize.core.errors import BundleError
from anysize.core.files import replacing, write_json
from anysize.sources.cache import cache_folder


def check(path: Path, digest: str) -> None:
    """Refuses a file whose SHA-256 is another one.

    It is computed once: that a file of this size and time had the digest is noted in the cache.

    Raises:
        BundleError: it is another file.
    """
    status = path.stat()
    key = hashlib.blake2b(
        f"{path.absolute()} {status.st_size} {status.st_mtime_ns} {digest}".encode(), digest_size=12
    ).hexdigest()
    note = cache_folder() / f"pinned-{key}.json"
    if _noted(note, digest):
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise BundleError(
            str(path),
            f"is not the file that is known here (SHA-256 {found}, not {digest}): install the "
            "package again",
        )
    write_json(note, {"sha256": digest, "file": str(path)}, durable=False)


def joined(parts: Sequence[Path], digest: str, name: str) -> Path:
    """One file of several parts, in the cache, made once.

    Args:
        parts: in order.
        digest: SHA-256 of the whole.
        name: of the file.

    Raises:
        BundleError: the whole has another digest.
    """
    path = cache_folder() / digest[:16] / name
    size = sum(part.stat().st_size for part in parts)
    if not path.is_file() or path.stat().st_size != size:
        with replacing(path) as out:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, out)
    try:
        check(path, digest)
    except BundleError:
        path.unlink()
        raise
    return path


def gathered(files: Mapping[str, tuple[Path, str]], folder: Path) -> Path:
    """Small files beside a large one of the cache, each checked.

    Args:
        files: by the name that each is to have: where it is, and its digest.
        folder: where to.

    Raises:
        BundleError: one of them has another digest.
    """
    for name, (path, digest) in files.items():
        check(path, digest)
        place = folder / name
        if not place.is_file() or place.stat().st_size != path.stat().st_size:
            with replacing(place) as out, path.open("rb") as file:
                shutil.copyfileobj(file, out)
    return folder


def _noted(note: Path, digest: str) -> bool:
    try:
        entries = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(entries, dict) and entries.get("sha256") == digest
