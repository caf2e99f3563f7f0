"""What a folder is: tables, class folders, splits, archives, or loose files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from anysize.core import plugins
from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.files import (
    SUFFIXES,
    FileSource,
    file_content,
    refuse_targets_missing,
)
from anysize.sources.listing import Skipped, natural, sorted_rows, suffix_of, walk

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
_log = logging.getLogger(__name__)


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


def open_folder(folder: Path, request: Request) -> Source:
    """Opens a folder as one source.

    Looked for in this order: ImageNet; a ``metadata`` table; tables with the columns that the task
    needs; archives, where there is nothing else; split folders, which are joined; a folder for each
    class; files with no classes.

    Raises:
        DataError: nothing in it fits the task; the message says what was found.
    """
    from anysize.sources import imagenet  # it is told of folders by this module

    found = contents(folder)
    whole = imagenet.open_whole(folder, found, request)
    if whole is not None:
        return whole
    if found.is_archived:
        return joined(folder, found.archives, request)
    tables = [found.metadata] if found.metadata is not None else found.tables
    if tables:
        try:
            return joined(folder, tables, request)
        except DataError:
            # Tables that describe something else may lie beside the files that are meant.
            if not found.folders and not found.loose:
                raise
            try:
                return _open_files(folder, found, request)
            except DataError:
                pass
            raise
    return _open_files(folder, found, request)


def joined(folder: Path, paths: list[Path], request: Request) -> Source:
    """Tables or folders as one source."""
    parts = [
        open_folder(path, request) if path.is_dir() else open_file(path, request) for path in paths
    ]
    return parts[0] if len(parts) == 1 else Concat(str(folder), parts)


def open_file(path: Path, request: Request) -> Source:
    """Opens one file by the module of this room that provides its suffix.

    Raises:
        DataError: no module does.
    """
    suffix = path.suffix[1:].lower()
    known = plugins.keys("sources")
    if suffix not in known:
        packed = {"gz", "zip", "bz2", "xz", "zst", "7z"}
        remedy = (
            "unpack it first, because rows are read at random"
            if suffix in packed
            else f"known are {', '.join('.' + key for key in known)}"
        )
        raise DataError(
            str(path),
            f"{'the suffix ' + path.suffix if suffix else 'a file without a suffix'} is not known; "
            + remedy,
        )
    opened: Source = plugins.load("sources", suffix).open_path(path, request)
    return opened


def _open_files(folder: Path, found: Contents, request: Request) -> Source:
    splits = found.split_folders()
    if splits and sum(map(len, splits.values())) == len(found.folders):
        return joined(folder, found.folders, request)
    content = file_content(str(folder), request)
    suffixes = SUFFIXES[content.kind]
    skipped = Skipped()
    by_class = bool(request.of_kind("target"))
    needs_class = any(spec.required for spec in request.of_kind("target"))

    def paths() -> Iterator[str]:
        loose = list_loose(folder, suffixes)
        if needs_class and found.folders:
            left = sum(1 for _ in loose)
            if left:
                _log.warning("%s: %d files beside the class folders are left out", folder, left)
        else:
            yield from sorted_rows(loose)
        for below in sorted(found.folders, key=lambda path: path.name):
            for name in sorted_rows(walk(below, suffixes, skipped)):
                yield f"{below.name}/{name}"

    def list_loose(folder: Path, suffixes: frozenset[str]) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__")) or entry.is_dir():
                    continue
                suffix = suffix_of(entry.name)
                if suffix in suffixes:
                    yield entry.name
                else:
                    skipped.suffixes[suffix] += 1

    source = FileSource(
        str(folder),
        root=folder,
        paths=paths(),
        content=content,
        request=request,
        by_class=by_class,
    )
    if not len(source):
        raise DataError(
            str(folder),
            f"holds no {content.kind} files ({', '.join(sorted(suffixes))}) and no tables; "
            f"found {skipped}",
        )
    if not found.folders:
        refuse_targets_missing(str(folder), request)
    return source
