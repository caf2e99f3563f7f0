"""Names and folders, for finding pictures with annotations."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.sources.boxes.annotation_files import is_there
from anysize.sources.listing import Skipped, natural, walk
from anysize.sources.split_names import SPLIT_NAMES, SplitName

Parts: TypeAlias = dict[SplitName | None, list[Source]]
"""Sources by split; None for those whose name is that of no split."""


def split_of(name: str) -> SplitName | None:
    """The split that one of a name's words names."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def join(parts: Parts, others: Parts) -> None:
    """Adds the sources of ``others``."""
    for split, sources in others.items():
        parts.setdefault(split, []).extend(sources)


def split_folders(folder: Path) -> list[str]:
    """Folders with a split's name, directly in a folder."""
    return [name for name in folders(folder) if split_of(name) is not None]


def folders(folder: Path) -> list[str]:
    """The folders directly in a folder, in natural order."""
    if not folder.is_dir():
        return []
    return sorted((name for name, is_folder in _entries(folder) if is_folder), key=natural)


def files(folder: Path, *suffixes: str) -> list[str]:
    """The files directly in a folder that end in one of the suffixes, in natural order."""
    if not folder.is_dir():
        return []
    wanted = frozenset(suffixes)
    names = (name for name, is_folder in _entries(folder) if not is_folder)
    return sorted((name for name in names if _suffix(name) in wanted), key=natural)


def below(folder: Path, *suffixes: str) -> Iterator[str]:
    """The files below a folder that end in one of the suffixes, in no order."""
    return walk(folder, frozenset(suffixes), Skipped())


def called(folder: Path, *names: str) -> str | None:
    """The folder directly in a folder that has one of the names, whatever the case."""
    there = {name.lower(): name for name in reversed(folders(folder))}
    return next((there[name] for name in names if name in there), None)


def joined(folder: str, name: str) -> str:
    """A path of two parts, of which either may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


class Pictures:
    """The pictures below a folder, found by name.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[str, str] | None = None

    def find(self, name: str, *first: str) -> str | None:
        """The path below the root of the picture that a name means, with or without its suffix.

        Args:
            name: as annotations have it, perhaps with folders.
            first: folders below the root that are looked in first.
        """
        name = name.strip().removeprefix("./").lstrip("/")
        if ".." in Path(name).parts:
            name = Path(name).name
        if not name:
            return None
        last = name.rpartition("/")[2]
        ends = dict.fromkeys(
            ("", *((".jpg", *sorted(IMAGE_SUFFIXES)) if not _is_picture(name) else ()))
        )
        for folder in first:
            for each in (name, last):
                for end in ends:
                    path = joined(folder, each + end)
                    if _is_picture(path) and is_there(self.root / path):
                        return path
        return self._known().get(last) or self._known().get(last.rpartition(".")[0] or last)

    def _known(self) -> dict[str, str]:
        if self._names is None:
            self._names = {}
            for path in sorted(below(self.root, *IMAGE_SUFFIXES), key=natural, reverse=True):
                name = path.rpartition("/")[2]
                self._names[name.rpartition(".")[0]] = path
                self._names[name] = path
        return self._names


def _is_picture(name: str) -> bool:
    return _suffix(name) in IMAGE_SUFFIXES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  millions of names


def _entries(folder: Path) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            return [(each.name, each.is_dir()) for each in entries if each.name[0] not in "._"]
    except OSError as error:
        raise DataError(str(folder), f"cannot be listed: {error.strerror or error}") from None
