"""Small files that describe pictures: read as a whole, in bounded memory, whatever is in them."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.readers.encodings import mark_of, printable, suggest

LARGEST = 1 << 24
"""Bytes of a file that describes one picture, or names the classes, at most."""

_FARTHEST = 1e7
_SHOWN = 60
_HEAD = 1 << 16


def is_there(path: Path) -> bool:
    """Whether a path is a regular file; never raises, whatever the name is."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def head_of(path: Path) -> str:
    """The beginning of a text file; empty where it cannot be read."""
    if not is_there(path):
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def content(path: Path, largest: int = LARGEST) -> bytes:
    """A file's bytes.

    Raises:
        DataError: it cannot be read, is no regular file, or is larger than ``largest``.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(str(path), "is not a regular file")
        if status.st_size > largest:
            raise DataError(
                str(path), f"is larger than {largest >> 20} MiB, too much for such a file"
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise DataError(str(path), "cannot be read: no file can have this name") from None


def text(path: Path, largest: int = LARGEST) -> tuple[str, str]:
    """A file's text and its encoding: UTF-8, or what the bytes look most like.

    Raises:
        DataError: as ``content``, or the file is not text.
    """
    found = content(path, largest)
    mark = mark_of(found)
    encoding = mark[1] if mark is not None else "utf-8"
    try:
        return found.decode(encoding).removeprefix("\ufeff"), encoding
    except UnicodeDecodeError:
        guessed = suggest(found[: 1 << 16])
    if guessed is None:
        raise DataError(str(path), "is not text: it holds zero bytes")
    if guessed == "utf-8":
        guessed = "cp1252"
    try:
        return found.decode(guessed), guessed
    except UnicodeDecodeError:
        return found.decode("latin-1"), "latin-1"


def tell_encoding(path: Path, encoding: str, findings: Findings) -> None:
    """Says that a file is not UTF-8 and how it is read."""
    if encoding not in ("utf-8", "utf-8-sig"):
        findings.add(
            "encoding-guessed",
            f"{path}: is not UTF-8; it is read as {encoding}",
            unit="files",
            remedy="look at the names of the classes, or save the file as UTF-8",
        )


def number(value: Any) -> float | None:
    """A finite number of a size that pixels can have; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > _SHOWN:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) <= _FARTHEST else None


def shown(value: Any) -> str:
    """A value for a message: never long, always printable."""
    try:
        words = str(value) if isinstance(value, str | float | bool | None) else repr(value)
    except (ValueError, RecursionError):
        words = "a number of very many digits" if isinstance(value, int) else type(value).__name__
    words = printable(words)
    return words if len(words) <= _SHOWN else words[: _SHOWN - 1] + "…"


def storable(name: str) -> bool:
    """Whether a file on this machine could have the name."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False
