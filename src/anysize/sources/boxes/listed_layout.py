"""Folders with one file that describes all pictures, or one for each split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from anysize.sources.boxes import createml, cvat, metadata_objects, via
from anysize.sources.boxes.folders import (
    Parts,
    called,
    files,
    join,
    split_folders,
    split_of,
    tell_of_unread,
)
from anysize.sources.boxes.listed_pictures import Listed, sources_by_split, sources_of
from anysize.sources.columns import Request
from anysize.sources.split_names import SplitName


class _Kind(Protocol):
    """What a module of such files has.

    Attributes:
        SUFFIX: of the files.
    """

    SUFFIX: str

    def fits(self, path: Path) -> bool:
        """Whether a file is one of them."""
        ...

    def read(self, path: Path) -> Iterable[Listed]:
        """The pictures of a file."""
        ...


_KINDS: tuple[_Kind, ...] = (createml, via, cvat, metadata_objects)


def of_file(path: Path, request: Request) -> Parts | None:
    """One file."""
    kind = _kind_of(path)
    return None if kind is None else _sources(kind, path, path.parent, None, request)


def of_folder(folder: Path, request: Request) -> Parts | None:
    """Files in the folder, in ``annotations`` or in split folders."""
    parts: Parts = {}
    above = called(folder, "annotations", "annotation", "labels")
    for inner in ("", *([above] if above else []), *split_folders(folder)):
        for name in files(folder / inner, *{kind.SUFFIX for kind in _KINDS}):
            kind = _kind_of(folder / inner / name)
            if kind is not None:
                split = split_of(Path(name).stem) or split_of(inner)
                join(parts, _sources(kind, folder / inner / name, folder, split, request))
    return tell_of_unread(folder, parts, request) or None


def _kind_of(path: Path) -> _Kind | None:
    suffix = path.suffix.lower()
    return next((kind for kind in _KINDS if suffix == kind.SUFFIX and kind.fits(path)), None)


def _sources(
    kind: _Kind, path: Path, folder: Path, split: SplitName | None, request: Request
) -> Parts:
    def listing() -> Iterable[Listed]:
        return kind.read(path)

    if split is None:
        return sources_by_split(listing, path, folder, request)
    return sources_of(listing, path, folder, split, request)
