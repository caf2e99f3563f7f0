"""Folders with an XML file (Pascal VOC) or a JSON file (LabelMe) for each picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.sources.boxes import labelme, voc
from anysize.sources.boxes.annotation_files import is_there, text
from anysize.sources.boxes.folders import (
    Parts,
    Pictures,
    below,
    called,
    files,
    folders,
    join,
    joined,
    split_folders,
    split_of,
    tell_of_unread,
)
from anysize.sources.boxes.single import Files, single_source
from anysize.sources.boxes.source import DetectionSource
from anysize.sources.columns import Request
from anysize.sources.listing import sorted_rows, suffix_of
from anysize.sources.split_names import SPLIT_NAMES

_PLACES = ("annotations", "annotation", "xmls", "xml", "labels", "annots", "anns", "json", "jsons")
_PICTURES = ("jpegimages", "images", "image", "imgs", "img", "pictures", "photos", "pics")
_LISTS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A kind of annotation files.

    Attributes:
        suffix: of the files.
        fits: whether a file is one of them.
        files: how they are read.
        named: the picture that a file names.
    """

    suffix: str
    fits: Callable[[Path], bool]
    files: Files
    named: Callable[[Path], str]


_VOC = _Kind(
    suffix=".xml", fits=lambda path: True, files=Files(read=voc.read_voc), named=voc.named_picture
)
_LABELME = _Kind(
    suffix=".json",
    fits=labelme.looks_like_labelme,
    files=Files(read=labelme.read_labelme),
    named=labelme.named_picture,
)


def of_file(path: Path, request: Request) -> Parts | None:
    """One annotation file and its picture."""
    for kind in (_VOC, _LABELME):
        if path.suffix.lower() == kind.suffix and kind.fits(path):
            pictures = Pictures(path.parent)
            name = pictures.find(path.stem, "") or pictures.find(kind.named(path), "")
            if name is None and kind is _VOC:
                return None
            found = [(name or path.stem + ".jpg", path.name)]
            return {None: [single_source(str(path), path.parent, found, kind.files, request)]}
    return None


def of_folder(folder: Path, request: Request) -> Parts | None:
    """``Annotations`` with ``JPEGImages`` in any spelling, or the files beside the pictures."""
    for kind in (_VOC, _LABELME):
        parts = _of_kind(folder, kind, request)
        if parts:
            return parts if _lists(folder) else tell_of_unread(folder, parts, request)
    return None


def _of_kind(folder: Path, kind: _Kind, request: Request) -> Parts | None:
    place = _place(folder, kind)
    if place is not None:
        return _apart(folder, place, kind, request)
    inner = [name for name in folders(folder) if _place(folder / name, kind) is not None]
    if not inner:
        return _beside(folder, kind, request)
    parts: Parts = {}
    for name in inner:
        found = _apart(folder / name, str(_place(folder / name, kind)), kind, request)
        named = split_of(name)
        # A folder's own lists say more than its name.
        join(parts, {split or named: each for split, each in found.items()})
    return parts


def _place(folder: Path, kind: _Kind) -> str | None:
    """The folder with annotation files directly in a folder."""
    for name in _PLACES:
        found = called(folder, name)
        if found is None:
            continue
        first = next((name for name in below(folder / found, kind.suffix)), None)
        if first is not None and kind.fits(folder / found / first):
            return found
    return None


def _apart(folder: Path, place: str, kind: _Kind, request: Request) -> Parts:
    """Annotations in one folder and pictures in another."""
    lists = _lists(folder)
    parts: Parts = {}
    reading = _Apart(folder=folder, place=place, kind=kind, request=request)
    if lists:
        for split, path in lists.items():
            lines = [line.strip() for line in text(path)[0].splitlines() if line.strip()]
            names = [_annotation(folder, place, line, kind.suffix) for line in lines]
            parts.setdefault(SPLIT_NAMES[split], []).append(reading.source(str(path), names))
        return parts
    inner = split_folders(folder / place)
    if inner:
        for name in folders(folder / place):
            some = sorted_rows(below(folder / place / name, kind.suffix))
            names = [f"{place}/{name}/{each}" for each in some]
            if names:
                source = reading.source(str(folder / place / name), names)
                parts.setdefault(split_of(name), []).append(source)
        return parts
    names = [joined(place, each) for each in sorted_rows(below(folder / place, kind.suffix))]
    return {None: [reading.source(str(folder), names)]}


@dataclass(frozen=True, kw_only=True)
class _Apart:
    """Finds the pictures of annotation files that are in another folder."""

    folder: Path
    place: str
    kind: _Kind
    request: Request

    def source(self, name: str, names: Sequence[str]) -> DetectionSource:
        """A source of the pictures of some annotation files."""
        pictures = Pictures(self.folder)
        used: set[str] = set()
        first = called(self.folder, *_PICTURES) or ""
        twice: list[str] = []

        def found() -> Iterator[tuple[str, str]]:
            for each in names:
                inner = str(Path(each).parent).removeprefix(self.place).strip("/")
                near = first, self.place, ""
                stem = Path(each).name.removesuffix(self.kind.suffix)
                there = self.folder / each
                path = pictures.find(joined(inner, stem), *near)
                if path is None and is_there(there):
                    path = pictures.find(self.kind.named(there), *near)
                path = path or joined(first, stem + ".jpg")
                if path in used:
                    twice.append(each)
                    continue
                used.add(path)
                yield path, each

        source = single_source(name, self.folder, found(), self.kind.files, self.request)
        if twice:
            self.request.findings.add(
                "picture-named-twice",
                f"{name}: of several annotation files for one picture the first is read",
                count=len(twice),
                unit="files",
                examples=twice[:5],
            )
        return source


def _annotation(folder: Path, place: str, line: str, suffix: str) -> str:
    """The annotation file of a line: a name, perhaps with a path, a suffix or a number behind."""
    found = ""
    for name in (line, line.split()[0]):
        plain = name.removesuffix(Path(name).suffix if suffix_of(name) in IMAGE_SUFFIXES else "")
        for stem in (plain, plain.rpartition("/")[2]):
            found = joined(place, stem + suffix)
            if is_there(folder / found):
                return found
    return found


def _lists(folder: Path) -> dict[str, Path]:
    """The lists of the splits, as the VOC kit has them."""
    sets = called(folder, "imagesets")
    if sets is None:
        return {}
    main = called(folder / sets, "main")
    where = folder / sets / main if main else folder / sets
    found = {name: where / f"{name}.txt" for name in _LISTS if is_there(where / f"{name}.txt")}
    if "train" not in found and is_there(where / "trainval.txt"):
        found["train"] = where / "trainval.txt"
        found.pop("val", None)
    return found


def _beside(folder: Path, kind: _Kind, request: Request) -> Parts:
    """Pictures with a file of the same name beside each, in the folder or its split folders."""
    parts: Parts = {}
    for name in split_folders(folder) or [""]:
        there = files(folder / name, kind.suffix)
        stems = {Path(each).stem for each in there if kind.fits(folder / name / each)}
        pictures = files(folder / name, *IMAGE_SUFFIXES)
        if not stems & {Path(each).stem for each in pictures}:
            continue
        found = [
            (joined(name, each), joined(name, str(Path(each).with_suffix(kind.suffix))))
            for each in pictures
        ]
        source = single_source(str(folder / name), folder, found, kind.files, request)
        parts.setdefault(split_of(name), []).append(source)
    return parts
