"""What stands directly in a folder, and which split the names of it are of."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from anysize.core import plugins
from anysize.core.errors import DataError
from anysize.sources.files import SUFFIXES
from anysize.sources.listing import natural, suffix_of

SplitName: TypeAlias = Literal["train", "validation", "test"]

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
}

_FILES = frozenset(suffix[1:] for each in SUFFIXES.values() for suffix in each)
_ARCHIVES = frozenset({"tar"})
# Beside ImageNet's archives lie tables of boxes, and pictures whose classes are not published.
_NOT_DATA = re.compile(r"LOC_(train|val|sample)_\w+\.csv|ILSVRC\d{4}_img_test\w*\.tar")


@dataclass(kw_only=True)
class Contents:
    """What stands directly in a folder."""

    folders: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    loose: bool = False

    @property
    def metadata(self) -> Path | None:
        """The table that describes the files beside it."""
        return next((path for path in self.tables if path.stem.lower() == "metadata"), None)

    def split_folders(self) -> dict[SplitName, list[Path]]:
        """Folders whose whole name is a split's, by split."""
        found: dict[SplitName, list[Path]] = {}
        for folder in self.folders:
            split = SPLIT_NAMES.get(folder.name.lower())
            if split is not None:
                found.setdefault(split, []).append(folder)
        return found

    def split_tables(self) -> dict[SplitName, list[Path]]:
        """Tables with one split's name as a word of theirs, by split.

        ``train.csv``, ``train-00000-of-00002.parquet``, ``reviews_test.tsv``.
        """
        return _by_split(self.tables)

    @property
    def is_archived(self) -> bool:
        """Whether archives are the data, because nothing else is there that could be."""
        others = [path for path in self.folders if "devkit" not in path.name]
        return bool(self.archives) and not self.tables and not others

    def split_archives(self) -> dict[SplitName, list[Path]]:
        """Archives by split, where they are the data."""
        return _by_split(self.archives) if self.is_archived else {}


def _by_split(paths: list[Path]) -> dict[SplitName, list[Path]]:
    found: dict[SplitName, list[Path]] = {}
    for path in paths:
        words = [word for word in re.split(r"[^a-z]+", path.stem.lower()) if word]
        splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
        if len(splits) == 1:
            found.setdefault(splits.pop(), []).append(path)
    return found


def contents(folder: Path) -> Contents:
    """Lists a folder's sub-folders and tables, in natural order, in one pass over its entries."""
    found = Contents()
    tables = plugins.keys("sources").keys() - _FILES - _ARCHIVES
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__")):
                    continue
                if entry.is_dir():
                    found.folders.append(folder / entry.name)
                elif _NOT_DATA.fullmatch(entry.name):
                    found.loose = True
                elif suffix_of(entry.name)[1:] in tables:
                    found.tables.append(folder / entry.name)
                elif suffix_of(entry.name)[1:] in _ARCHIVES:
                    found.archives.append(folder / entry.name)
                else:
                    found.loose = True
    except OSError as error:
        raise DataError(str(folder), f"cannot be listed: {error.strerror or error}") from None
    found.folders.sort(key=lambda path: natural(path.name))
    found.tables.sort(key=lambda path: natural(path.name))
    found.archives.sort(key=lambda path: natural(path.name))
    return found
