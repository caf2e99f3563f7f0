"""Folders with YOLO labels: described by a file, listed, or found by their folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.sources.boxes.annotation_files import is_there, shown, tell_encoding
from anysize.sources.boxes.folders import (
    Parts,
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
from anysize.sources.boxes.yaml_file import read_yaml
from anysize.sources.boxes.yolo import read_yolo
from anysize.sources.boxes.yolo_descriptions import (
    NAME_FILES,
    base_of,
    described,
    lines_of,
    names_beside,
    names_of,
    read_darknet,
)
from anysize.sources.columns import Request
from anysize.sources.listing import sorted_rows
from anysize.sources.split_names import SPLIT_NAMES


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How label files are read.

    Attributes:
        request: of the caller.
        names: of the classes; None where nothing gives them.
        keypoints: whether keypoints follow the boxes.
    """

    request: Request
    names: Mapping[int, str] | None
    keypoints: bool = False

    def source(self, name: str, root: Path, found: Iterable[tuple[str, str]]) -> DetectionSource:
        return single_source(
            name,
            root,
            found,
            Files(read=lambda path: read_yolo(path, self.names, keypoints=self.keypoints)),
            self.request,
        )


def of_file(path: Path, request: Request) -> Parts | None:
    """A YAML or Darknet file, or a list of pictures."""
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        entries, encoding = read_yaml(path)
        tell_encoding(path, encoding, request.findings)
        return _from_entries(path, entries, request)
    if suffix == ".data":
        return _from_entries(path, read_darknet(path), request)
    if suffix == ".txt" and _is_list(path):
        reading = _Reading(request=request, names=names_beside(path.parent, request))
        return {split_of(path.stem): [_listed(path, path.parent, reading)]}
    return None


def of_folder(folder: Path, request: Request) -> Parts | None:
    """A description; else lists, ``images`` with ``labels``, or label files beside the pictures."""
    found = described(folder, request)
    if found is not None:
        return _from_entries(*found, request)
    return tell_of_unread(folder, _undescribed(folder, request) or {}, request) or None


def _undescribed(folder: Path, request: Request) -> Parts | None:
    names = names_beside(folder, request)
    reading = _Reading(request=request, names=names)
    lists = [name for name in files(folder, ".txt") if _is_list(folder / name)]
    labels = called(folder, "labels")
    pictures = called(folder, "images", "imgs", "pictures", "obj_train_data")
    if labels and pictures:
        if lists and any(split_of(Path(name).stem) for name in lists):
            parts: Parts = {}
            for name in lists:
                join(parts, {split_of(Path(name).stem): [_listed(folder / name, folder, reading)]})
            return parts
        if any(True for _ in below(folder / labels, ".txt")):
            return _told(_of_pictures(folder, pictures, labels, reading), reading, folder)
    splits = [name for name in split_folders(folder) if called(folder / name, "labels")]
    if splits:
        others = [name for name in folders(folder) if called(folder / name, "labels")]
        return _told(_of_split_folders(folder, others, reading), reading, folder)
    if names is None:
        return None
    return _beside(folder, reading)


def _told(parts: Parts | None, reading: _Reading, folder: Path) -> Parts | None:
    if parts and reading.names is None:
        reading.request.findings.add(
            "classes-without-names",
            f"{folder}: nothing names the classes, so they are called by their numbers",
            unit="files",
            remedy="put a classes.txt with a name a line there",
        )
    return parts


def _from_entries(path: Path, entries: Mapping[str, Any], request: Request) -> Parts:
    base = base_of(path, entries, request)
    reading = _Reading(
        request=request,
        names=names_of(path, base, entries, request),
        keypoints="kpt_shape" in entries,
    )
    parts: Parts = {}
    used = []
    for key, value in entries.items():
        split = SPLIT_NAMES.get(key.lower())
        known = split is not None or key.lower() in ("extra", "minival", "trainval")
        if not known or value in (None, "", []):
            continue
        used.append(key)
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str):
                raise DataError(
                    str(path), f"{key}: must be a folder or a list of pictures, not {shown(each)}"
                )
            join(parts, _of_entry(path, base, key, each, reading))
    if not used:
        raise DataError(str(path), "names no pictures: 'train', 'val' and 'test' are missing")
    if not parts:
        raise DataError(str(path), f"none of its pictures ({', '.join(used)}) has a label file")
    return parts


def _of_entry(path: Path, base: Path, key: str, value: str, reading: _Reading) -> Parts:
    """The pictures that one entry of a description names."""
    split = SPLIT_NAMES.get(key.lower())
    for name in (value, value.removeprefix("../"), value.removeprefix("./")):
        where = Path(os.path.normpath(base / name))
        if where.is_dir():
            root = _root_of(Path(os.path.normpath(base)), where)
            inner = where.relative_to(root).as_posix()
            words = inner.split("/")
            at = max((place for place, word in enumerate(words) if word == "images"), default=None)
            labels = list(words)
            if at is not None:
                labels[at] = "labels"
            parts = _one(root, inner, "/".join(labels), split, reading)
            if not parts:
                reading.request.findings.add(
                    "split-without-annotations",
                    f"{where}: none of its pictures has a label file, so they are left out",
                    unit="folders",
                    remedy=f"labels are looked for in {root / '/'.join(labels)}",
                )
            return parts
        if is_there(where):
            return {split: [_listed(where, base, reading)]}
    if split == "test":
        # Published descriptions name test pictures that come without labels.
        reading.request.findings.add(
            "split-missing",
            f"{path}: the pictures of {key} are not there ({shown(value)})",
            unit="folders",
        )
        return {}
    raise DataError(
        str(path), f"{key}: there is no folder or list {str(base / value)!r} of pictures"
    )


def _one(root: Path, inner: str, labels: str, split: Any, reading: _Reading) -> Parts:
    """The pictures of one folder; nothing where none has a label file."""

    def found() -> Iterator[tuple[str, str]]:
        for name in sorted_rows(below(root / inner, *IMAGE_SUFFIXES)):
            yield joined(inner, name), joined(labels, str(Path(name).with_suffix(".txt")))

    if not any(is_there(root / label) for _, label in found()):
        return {}
    spare = sum(1 for _ in below(root / labels, ".txt")) if labels != inner else 0
    source = reading.source(str(root / inner), root, found())
    matched = sum(is_there(root / label) for _, label in found())
    spare -= matched + sum(is_there(root / labels / name) for name in NAME_FILES)
    if spare > 0:
        reading.request.findings.add(
            "annotation-without-picture",
            f"{root / labels}: label files without a picture are left out",
            count=spare,
            unit="files",
        )
    return {split: [source]}


def _of_pictures(folder: Path, pictures: str, labels: str, reading: _Reading) -> Parts | None:
    """``images`` and ``labels``, each with the same folders below."""
    names = split_folders(folder / pictures)
    if not names:
        return _one(folder, pictures, labels, None, reading) or None
    parts: Parts = {}
    for name in folders(folder / pictures):
        join(
            parts,
            _one(folder, f"{pictures}/{name}", f"{labels}/{name}", split_of(name), reading),
        )
    return parts or None


def _of_split_folders(folder: Path, names: Iterable[str], reading: _Reading) -> Parts | None:
    """``train/images`` with ``train/labels``; the pictures may be beside the labels' folder."""
    parts: Parts = {}
    for name in names:
        labels = called(folder / name, "labels")
        pictures = called(folder / name, "images", "imgs")
        inner = f"{name}/{pictures}" if pictures else name
        join(parts, _one(folder, inner, f"{name}/{labels}", split_of(name), reading))
    return parts or None


def _beside(folder: Path, reading: _Reading) -> Parts | None:
    """Pictures with a label file of the same name beside each."""
    parts: Parts = {}
    for name in split_folders(folder) or [""]:
        there = {Path(each).stem for each in files(folder / name, ".txt")}
        pictures = files(folder / name, *IMAGE_SUFFIXES)
        if not there & {Path(each).stem for each in pictures}:
            continue
        found = (
            (joined(name, each), joined(name, str(Path(each).with_suffix(".txt"))))
            for each in pictures
        )
        source = reading.source(str(folder / name), folder, found)
        parts.setdefault(split_of(name), []).append(source)
    return parts or None


def _listed(path: Path, base: Path, reading: _Reading) -> DetectionSource:
    """The pictures that a text file lists, a path a line."""
    lines = [line.replace("\\", "/").removeprefix("./") for line in lines_of(path)]
    names = [line for line in lines if Path(line).suffix.lower() in IMAGE_SUFFIXES]
    if len(names) < len(lines):
        reading.request.findings.add(
            "line-left-out",
            f"{path}: lines that are not the path of a picture are left out",
            count=len(lines) - len(names),
            unit="lines",
        )
    root = Path(os.path.normpath(base))
    if names and is_there(root / names[0]):
        root = _root_of(root, Path(os.path.normpath(root / names[0])))
    moved = 0

    def found() -> Iterator[tuple[str, str]]:
        nonlocal moved
        for name in names:
            kept = _inside(root, name)
            moved += kept != name and not is_there(Path(name))
            words = kept.split("/")
            if "images" in words:
                at = len(words) - 1 - words[::-1].index("images")
                words[at] = "labels"
            yield kept, str(Path("/".join(words)).with_suffix(".txt"))

    source = reading.source(str(path), root, dict.fromkeys(found()))
    if moved:
        reading.request.findings.add(
            "picture-place-guessed",
            f"{path}: paths of another machine are read below {root}",
            level="note",
            count=moved,
            unit="pictures",
        )
    return source


def _root_of(base: Path, place: Path) -> Path:
    """The folder that a place and its labels are below: the data's own, where it is there."""
    if base in place.parents:
        return base
    parts = place.parts
    if "images" in parts:
        return Path(*parts[: len(parts) - 1 - parts[::-1].index("images")])
    return place.parent


def _inside(root: Path, name: str) -> str:
    """A listed path below the root; of one from elsewhere the longest end that is there."""
    path = Path(os.path.normpath(root / name))
    if root in path.parents:
        return path.relative_to(root).as_posix()
    words = [word for word in name.split("/") if word not in ("", "..")]
    for start in range(len(words)):
        if is_there(root / "/".join(words[start:])):
            return "/".join(words[start:])
    return words[-1] if words else name


def _is_list(path: Path) -> bool:
    """Whether a text file's first line is the path of a picture."""
    try:
        with path.open("rb") as file:
            first = file.readline(4096).strip()
    except OSError:
        return False
    return os.path.splitext(os.fsdecode(first))[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
