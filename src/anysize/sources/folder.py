"""What a folder is: tables, class folders, splits, archives, or loose files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from anysize.core import plugins
from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources import imagenet
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.contents import Contents, contents
from anysize.sources.files import (
    SUFFIXES,
    FileSource,
    file_content,
    refuse_targets_missing,
)
from anysize.sources.listing import Skipped, sorted_rows, suffix_of, walk

_log = logging.getLogger(__name__)


def open_folder(folder: Path, request: Request) -> Source:
    """Opens a folder as one source.

    Looked for in this order: ImageNet; a ``metadata`` table; tables with the columns that the task
    needs; archives, where there is nothing else; split folders, which are joined; a folder for each
    class; files with no classes.

    Raises:
        DataError: nothing in it fits the task; the message says what was found.
    """
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
