"""Names and folders, for finding pictures with annotations."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from anysize.core.errors import DataError
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.sources.boxes.annotation_files import is_there
from anysize.sources.boxes.described import Described
from anysize.sources.boxes.source import DetectionSource
from anysize.sources.columns import Request
from anysize.sources.listing import Skipped, natural, walk
from anysize.sources.split_names import SPLIT_NAMES, SplitName

Parts: TypeAlias = dict[SplitName | None, list[DetectionSource]]
"""Sources by split; None for those whose name is that of no split."""

# Folders of pictures that are annotations themselves.
_MASKS = re.compile(r"segmentation|mask", re.IGNORECASE)


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
        self._names: dict[str, list[str]] | None = None

    def find(self, name: str, *first: str) -> str | None:
        """The path below the root of the picture that a name means, with or without its suffix.

        Where it is not below one of the first folders, the picture of that name whose folders are
        most like its own is taken; None if several are.

        Args:
            name: as annotations have it, perhaps with folders.
            first: folders below the root that are looked in first.
        """
        name = plain_name(name)
        ends = ("",) if _is_picture(name) else ("", ".jpg", *sorted(IMAGE_SUFFIXES))
        for folder in first if name else ():
            for end in ends:
                path = joined(folder, name + end)
                if _is_picture(path) and is_there(self.root / path):
                    return path
        found = self.alike(name, *first)
        return found[0] if len(found) == 1 else None

    def alike(self, name: str, *first: str) -> list[str]:
        """The pictures below the root that a name may mean, wherever they are."""
        name = plain_name(name)
        last = name.rpartition("/")[2]
        known = self._known()
        found = (known.get(last) or known.get(last.rpartition(".")[0], [])) if last else []
        if len(found) > 1:
            shared = [shared_folders(name, path) for path in found]
            found = [path for path, n in zip(found, shared, strict=True) if n == max(shared)]
        for folder in first if len(found) > 1 else ():
            near = [path for path in found if path.rpartition("/")[0] == folder]
            if near:
                return near[:1]
        return found

    def _known(self) -> dict[str, list[str]]:
        if self._names is None:
            self._names = {}
            for path in sorted(below(self.root, *IMAGE_SUFFIXES), key=natural):
                name = path.rpartition("/")[2]
                for key in (name, name.rpartition(".")[0]):
                    self._names.setdefault(key, []).append(path)
        return self._names


def plain_name(name: str) -> str:
    """A picture's name as annotations have it, without what leads out of the data's folder."""
    name = name.strip().removeprefix("./").lstrip("/")
    return Path(name).name if ".." in Path(name).parts else name


def tell_of_unread(folder: Path, parts: Parts, request: Request) -> Parts:
    """Counts the pictures below a folder that are in none of the parts; returns the parts.

    For prediction, which needs no annotations, they become a part of their own.
    """
    if not parts:
        return parts
    if not request.of_kind("target"):
        unread = sorted(_unread(folder, parts), key=natural)
        if unread and not all(map(_MASKS.search, unread)):
            found = ((name, "", Described()) for name in unread)
            others = DetectionSource(str(folder), root=folder, found=found, request=request)
            parts.setdefault(None, []).append(others)
            return parts
    count, masks = 0, True
    first: list[str] = []
    for name in _unread(folder, parts):
        count += 1
        masks = masks and _MASKS.search(name) is not None
        first = sorted([*first, name], key=natural)[:5]
    if count:
        request.findings.add(
            "picture-without-annotations",
            f"{folder}: pictures that no annotations are about are left out",
            level="note" if masks else "warning",
            count=count,
            unit="pictures",
            examples=first,
            remedy="a picture without objects is annotated as the others are, with nothing in it",
        )
    return parts


def _unread(folder: Path, parts: Parts) -> Iterator[str]:
    """The pictures below a folder that are in none of the parts; eight bytes are held of each."""
    sources = [source for several in parts.values() for source in several]
    paths = (str(source.path(index)) for source in sources for index in range(len(source)))
    total = sum(map(len, sources))
    read = np.sort(np.fromiter(map(_hash, paths), dtype=np.uint64, count=total))
    for name in below(folder, *IMAGE_SUFFIXES):
        key = np.uint64(_hash(str(folder / name)))
        place = int(np.searchsorted(read, key))
        if place == len(read) or read[place] != key:
            yield name


def _hash(path: str) -> int:
    digest = hashlib.blake2b(os.fsencode(path), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def shared_folders(name: str, path: str) -> int:
    """How many folders above a picture have the same names in both."""
    pairs = zip(name.split("/")[-2::-1], path.split("/")[-2::-1], strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _is_picture(name: str) -> bool:
    return _suffix(name) in IMAGE_SUFFIXES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  millions of names


def _entries(folder: Path) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            return [
                (each.name, each.is_dir())
                for each in entries
                if not each.name.startswith((".", "__"))
            ]
    except OSError as error:
        raise DataError(str(folder), f"cannot be listed: {error.strerror or error}") from None
