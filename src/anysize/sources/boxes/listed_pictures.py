"""Pictures that one file describes, found by their names in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from anysize.core.errors import DataError
from anysize.readers.encodings import printable
from anysize.sources.boxes.described import Described
from anysize.sources.boxes.folders import Parts, Pictures, called, plain_name
from anysize.sources.boxes.source import DetectionSource
from anysize.sources.columns import Request
from anysize.sources.split_names import SPLIT_NAMES, SplitName

_PICTURES = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "pics", "data")

_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a file says of one picture, and the split that it names."""

    picture: str
    split: str
    described: Described


Listing: TypeAlias = Callable[[], Iterable[Listed]]
"""Reads the file from its beginning."""


def sources_of(
    listing: Listing, path: Path, folder: Path, split: SplitName | None, request: Request
) -> Parts:
    """The one source of a file.

    Args:
        listing: what the file says.
        path: the file.
        folder: that its pictures are below.
        split: that it is of, None where nobody says.
        request: of the caller.

    Raises:
        DataError: none of the pictures is there.
    """
    return _sources(path, folder, {split: listing}, request)


def sources_by_split(listing: Listing, path: Path, folder: Path, request: Request) -> Parts:
    """The sources of a file that names the split of each picture; see ``sources_of``."""
    splits = dict.fromkeys(SPLIT_NAMES.get(one.split) for one in listing())

    def of(split: SplitName | None) -> Listing:
        return lambda: (one for one in listing() if SPLIT_NAMES.get(one.split) == split)

    return _sources(path, folder, {split: of(split) for split in splits}, request)


def _sources(
    path: Path, folder: Path, listings: dict[SplitName | None, Listing], request: Request
) -> Parts:
    places = _Places(folder, path)
    found: Parts = {}
    for split, listing in listings.items():
        named = places.of(listing())
        found[split] = [DetectionSource(str(path), root=folder, found=named, request=request)]
    if places.guessed:
        request.findings.add(
            "picture-place-guessed",
            f"{path}: pictures that are not where it says are read from below {folder}",
            level="note",
            count=places.guessed,
            unit="pictures",
            examples=places.examples,
        )
    if not places.there:
        raise DataError(
            str(path),
            f"none of the pictures that it names was found below {folder}, such as "
            f"{places.first}; put them into a folder 'images' beside it",
        )
    return found


class _Places:
    """Finds the pictures that a file names.

    Attributes:
        there: how many were found.
        first: the first one that was not.
        guessed: how many are in other folders than their names say.
        examples: names of the first of those.
    """

    def __init__(self, folder: Path, path: Path) -> None:
        self._pictures = Pictures(folder)
        beside = path.parent.relative_to(folder).as_posix() if path.parent != folder else ""
        self._first = (beside, *filter(None, [called(folder, *_PICTURES)]))
        self.there = 0
        self.first = ""
        self.guessed = 0
        self.examples: list[str] = []

    def of(self, rows: Iterable[Listed]) -> Iterator[tuple[str, str, Described]]:
        """Paths below the folder."""
        for one in rows:
            path = self._pictures.find(one.picture, *self._first)
            self.there += path is not None
            if path is None:
                several = self._pictures.alike(one.picture, *self._first)
                self.there += bool(several)
                self.first = self.first or printable(one.picture)
                problem = f"several pictures may be meant: {', '.join(several[:3])}"
                described = replace(one.described, problem=problem) if several else one.described
                last = one.picture.rpartition("/")[2] or "unnamed"
                yield (several or [last])[0], "", described
                continue
            if not f"/{path}".endswith("/" + plain_name(one.picture)):
                self.guessed += 1
                if len(self.examples) < _EXAMPLES:
                    self.examples.append(printable(one.picture))
            yield path, "", one.described
