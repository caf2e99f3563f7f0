"""What lies directly in a folder, and which split its names belong to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from anysize.core.errors import DataError
from anysize.sources.listing import Skipped, entry_kind, natural, suffix_of
from anysize.sources.split_names import SplitName, by_part, split_of_name, split_of_words
from anysize.sources.tables.packed_names import ARCHIVES, inner_suffix, table_keys

# Beside ImageNet's archives lie tables of boxes, and pictures whose classes are not published.
_NOT_DATA = re.compile(r"LOC_(train|val|sample)_\w+\.csv|ILSVRC\d{4}_img_test\w*\.tar")


# What runs, evaluations and tries to compress leave in their folders.
_RESULTS = (
    ("anysize.json",),
    ("metrics.json", "report.html"),
    ("compression.json", "compression.html"),
    ("checkpoints", "recipe.toml"),
)


@dataclass(kw_only=True)
class Contents:
    """What is directly in a folder.

    Attributes:
        folders, tables, archives: by kind, in natural order.
        results: folders that anysize has written: runs, evaluations.
        loose: whether there are other files.
        skipped: what is no file and no folder: pipes, devices, links to nothing.
    """

    folders: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    loose: bool = False
    skipped: Skipped = field(default_factory=Skipped)

    @property
    def metadata(self) -> Path | None:
        """The table that describes the files beside it."""
        return next((path for path in self.tables if path.stem.lower() == "metadata"), None)

    def split_folders(self) -> dict[SplitName, list[Path]]:
        """Folders that are parts of the data, by part.

        They are called by a part's name (``Training``, ``test_set``), or all of them have one as a
        word (``seg_train``, ``seg_test``). Beside folders of other names they are parts only if one
        of them holds folders or tables of its own; else all of them are classes.
        """
        found = _grouped(self.folders, split_of_name)
        count = sum(map(len, found.values()))
        if 0 < count < len(self.folders):
            return found if any(map(_holds_more, chain.from_iterable(found.values()))) else {}
        if not found and len(self.folders) > 1:
            found = _grouped(self.folders, split_of_words)
            every = sum(map(len, found.values())) == len(self.folders)
            return found if every and len(found) > 1 and "train" in found else {}
        return found

    def splits_below(self) -> dict[SplitName, list[Path]]:
        """Folders of parts inside the folders of classes (``cat/train``), by part."""
        found: dict[SplitName, list[Path]] = {}
        for folder in self.folders:
            inner = contents(folder)
            parts = _grouped(inner.folders, split_of_name)
            if inner.loose or inner.tables or sum(map(len, parts.values())) < len(inner.folders):
                return {}
            for part, paths in parts.items():
                found.setdefault(part, []).extend(paths)
        return found if "train" in found else {}

    def split_tables(self) -> dict[SplitName, list[Path]]:
        """Tables with one part's name as a word of theirs, by part.

        ``training.csv``, ``train-00000-of-00002.parquet``, ``reviews_test.tsv``.
        """
        return _grouped(self.tables, split_of_words)

    @property
    def is_archived(self) -> bool:
        """Whether archives are the data, because nothing else is there that could be."""
        others = [path for path in self.folders if "devkit" not in path.name]
        return bool(self.archives) and not self.tables and not others

    def split_archives(self) -> dict[SplitName, list[Path]]:
        """Archives by part, where they are the data."""
        return _grouped(self.archives, split_of_words) if self.is_archived else {}


def _grouped(
    paths: list[Path], part_of: Callable[[str], SplitName | None]
) -> dict[SplitName, list[Path]]:
    named = {path.stem if path.suffix else path.name: path for path in paths}
    known = by_part((name, part) for name in named if (part := part_of(name)) is not None)
    found: dict[SplitName, list[Path]] = {}
    for path in paths:
        name = path.stem if path.suffix else path.name
        if name in known:
            found.setdefault(known[name], []).append(path)
    return found


def split_paths(paths: list[Path]) -> dict[SplitName, list[Path]]:
    """Paths by the part that a word of their names says."""
    return _grouped(paths, split_of_words)


def _holds_more(folder: Path) -> bool:
    """Whether there are folders or tables in it, and not only files of one class."""
    inner = contents(folder)
    return bool(inner.folders or inner.tables or inner.archives)


def is_result(folder: Path) -> bool:
    """Whether anysize has written a folder: a bundle, a run, an evaluation."""
    return any(all((folder / name).exists() for name in names) for names in _RESULTS)


def contents(folder: Path) -> Contents:
    """Lists a folder's sub-folders and tables, in natural order, in one pass over its entries."""
    found = Contents()
    tables = {f".{key}" for key in table_keys()}
    objects: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__")):
                    continue
                kind = entry_kind(entry)
                if kind == "folder":
                    path = folder / entry.name
                    (found.results if is_result(path) else found.folders).append(path)
                elif kind != "file":
                    found.skipped.special(str(folder / entry.name), kind)
                elif _NOT_DATA.fullmatch(entry.name):
                    found.loose = True
                elif inner_suffix(entry.name) == ".json":
                    objects.append(folder / entry.name)
                elif inner_suffix(entry.name) in tables:
                    found.tables.append(folder / entry.name)
                elif suffix_of(entry.name)[1:] in ARCHIVES:
                    found.archives.append(folder / entry.name)
                else:
                    found.loose = True
    except OSError as error:
        raise DataError(str(folder), f"cannot be listed: {error.strerror or error}") from None
    if not found.tables and not found.folders and not found.archives:
        # Beside other data, JSON files say something about it.
        found.tables = objects
    found.loose = found.loose or bool(objects and not found.tables)
    found.folders.sort(key=lambda path: natural(path.name))
    found.tables.sort(key=lambda path: natural(path.name))
    found.archives.sort(key=lambda path: natural(path.name))
    return found
