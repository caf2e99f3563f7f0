"""Whether a converted form that a bundle keeps is still that of its weights.

Beside the form lies a note with a digest of the bundle's weights and configuration. Reading them
all at each start would take too long, so the note also has the size, times and place of each file:
where those are as they were, so is the file.
"""

from __future__ import annotations

import contextlib
import json
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

from anysize.core.files import write_json

NOTE = "made-from.json"
_FORMAT = 1
_PATTERNS = ("*.safetensors", "config.json")


def kept_in(bundle: Path | None, runtime: str) -> Path | None:
    """The folder of a bundle for a runtime's forms, made; None where it cannot be written."""
    if bundle is None or not os.access(bundle, os.W_OK):
        return None
    place = bundle / "runtimes" / runtime
    place.mkdir(parents=True, exist_ok=True)
    return place


def is_current(bundle: Path, form: Path) -> bool:
    """Whether the form was made from the weights that the bundle has now.

    Args:
        bundle: its folder.
        form: the folder of the converted form, with its note.
    """
    try:
        entries = json.loads((form / NOTE).read_text(encoding="utf-8"))
        known, digest = entries["files"], entries["digest"]
        if entries["format"] != _FORMAT:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    stats = _stats(bundle)
    if stats == known:
        return True
    if _digest(bundle) != digest:
        return False
    # A copy of the bundle: the same files in another place.
    with contextlib.suppress(OSError):
        _write(form, stats, digest)
    return True


def note(bundle: Path, form: Path) -> None:
    """Writes down what a form is made from; before it is moved in, so that none is without."""
    _write(form, _stats(bundle), _digest(bundle))


def _write(form: Path, files: dict[str, list[int]], digest: str) -> None:
    entries: dict[str, Any] = {"format": _FORMAT, "digest": digest, "files": files}
    write_json(form / NOTE, entries, durable=False)


def _files(bundle: Path) -> list[Path]:
    return sorted(path for pattern in _PATTERNS for path in bundle.glob(pattern))


def _stats(bundle: Path) -> dict[str, list[int]]:
    return {
        path.name: [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        for path in _files(bundle)
        for stat in (path.stat(),)
    }


def _digest(bundle: Path) -> str:
    found = blake2b(digest_size=16)
    for path in _files(bundle):
        found.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()
