"""Finding pictures with annotated objects: COCO JSON, Pascal VOC, YOLO text, by split."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources.coco import looks_like_coco, open_coco
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.contents import SPLIT_NAMES, SplitName
from anysize.sources.detection import DetectionSource, Reader, wants_objects
from anysize.sources.files import IMAGE_SUFFIXES
from anysize.sources.listing import Skipped, natural, sorted_rows, walk
from anysize.sources.stores import ByteRows
from anysize.sources.voc import VocReader
from anysize.sources.yolo import YoloReader, read_names

Parts: TypeAlias = dict[SplitName | None, list[Source]]
"""Sources by split; None for those whose name tells none."""

_NAME_FILES = ("classes.txt", "obj.names", "names.txt")
_log = logging.getLogger(__name__)


def open_objects(path: Path, request: Request) -> Source | None:
    """All pictures with objects below a path as one source; None where it has no such layout."""
    parts = parts_of(path, request)
    return (
        _one(str(path), [each for several in parts.values() for each in several]) if parts else None
    )


def split_objects(path: Path, request: Request) -> dict[SplitName | None, Source] | None:
    """The same by split; under None, alone, where no name tells one.

    Raises:
        DataError: as ``parts_of``.
    """
    parts = parts_of(path, request)
    if parts is None:
        return None
    if len(parts) > 1 and None in parts:
        names = ", ".join(source.name for source in parts.pop(None))
        _log.warning("%s: left out, because their names tell no split: %s", path, names)
    return {split: _one(f"{path} ({split})", several) for split, several in parts.items()}


def _one(name: str, sources: Sequence[Source]) -> Source:
    return sources[0] if len(sources) == 1 else Concat(name, sources)


def parts_of(path: Path, request: Request) -> Parts | None:
    """What a path holds, in the first layout that fits; None where none does.

    Raises:
        DataError: a layout fits, and its annotations are faulty.
    """
    if not wants_objects(request):
        return None
    if path.is_file():
        return _of_file(path, request)
    for layout in (_coco, _yolo, _voc):
        found = layout(path, request)
        if found:
            return found
    return None


def _of_file(path: Path, request: Request) -> Parts | None:
    suffix = path.suffix.lower()
    if suffix == ".json" and looks_like_coco(path):
        return {None: [open_coco(path, request)]}
    if suffix in (".yaml", ".yml"):
        return _from_yaml(path, request)
    return None


def _coco(folder: Path, request: Request) -> Parts:
    """``annotations/*.json``, or JSON files beside the pictures or in split folders."""
    parts: Parts = {}
    for below in ("annotations", "", *_split_folders(folder)):
        files = sorted((folder / below).glob("*.json"), key=lambda path: natural(path.name))
        for path in files:
            if looks_like_coco(path):
                split = _split(path.stem) or _split(below)
                parts.setdefault(split, []).append(open_coco(path, request))
        if parts and below in ("annotations", ""):
            break
    return parts


def _voc(folder: Path, request: Request) -> Parts:
    """``Annotations/*.xml`` with ``JPEGImages``, or XML files beside the pictures."""
    if not (folder / "Annotations").is_dir():
        below = [name for name in _folders(folder) if (folder / name / "Annotations").is_dir()]
        parts: Parts = {}
        for name in below:
            for split, sources in _voc(folder / name, request).items():
                parts.setdefault(split, []).extend(sources)
        return parts or _beside(folder, request, ".xml", lambda root: VocReader(root))
    pictures = "JPEGImages" if (folder / "JPEGImages").is_dir() else "images"
    lists = {
        SPLIT_NAMES[name]: folder / "ImageSets" / "Main" / f"{name}.txt"
        for name in ("train", "val", "test")
    }
    found: Parts = {
        split: [_voc_source(folder, pictures, path, request)]
        for split, path in lists.items()
        if path.is_file()
    }
    return found or {None: [_voc_source(folder, pictures, None, request)]}


def _voc_source(folder: Path, pictures: str, listed: Path | None, request: Request) -> Source:
    if listed is None:
        names = (Path(name).stem for name in sorted_rows(_walk(folder / "Annotations", ".xml")))
    else:
        text = listed.read_text(encoding="utf-8").splitlines()
        names = (line.split()[0] for line in text if line.strip())
    found = ((_picture(folder, f"{pictures}/{name}"), f"Annotations/{name}.xml") for name in names)
    return _source(str(listed or folder), folder, found, VocReader(folder), request)


def _yolo(folder: Path, request: Request) -> Parts:
    """``data.yaml``; ``images`` with ``labels``; or label files beside the pictures."""
    for name in ("data.yaml", "data.yml", "dataset.yaml"):
        if (folder / name).is_file():
            return _from_yaml(folder / name, request)
    names = _names_beside(folder)
    if (folder / "labels").is_dir():
        below = _split_folders(folder / "images") or [""]
        return _yolo_parts(folder, [_joined("images", name) for name in below], names, request)
    splits = [name for name in _split_folders(folder) if (folder / name / "labels").is_dir()]
    if splits:
        return _yolo_parts(folder, [f"{name}/images" for name in splits], names, request)
    if names is None:
        return {}
    return _beside(folder, request, ".txt", lambda root: YoloReader(root, names))


def _from_yaml(path: Path, request: Request) -> Parts:
    import yaml  # type: ignore[import-untyped]

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(str(path), f"cannot be read as YAML: {error}") from None
    if not isinstance(entries, dict) or "names" not in entries:
        raise DataError(str(path), "must be a mapping with 'names' and the pictures of each split")
    names = read_names(entries["names"], str(path))
    base = path.parent
    given = entries.get("path")
    if isinstance(given, str) and (path.parent / given).is_dir():
        base = path.parent / given
    parts: Parts = {}
    for key, split in SPLIT_NAMES.items():
        value = entries.get(key)
        for folder in [value] if isinstance(value, str) else value or []:
            where = _yaml_folder(base, str(folder))
            if where is None:
                raise DataError(
                    str(path), f"{key}: there is no folder {str(base / str(folder))!r} of pictures"
                )
            root, below = where
            sources = _yolo_parts(root, [below], names, request).values()
            parts.setdefault(split, []).extend(source for some in sources for source in some)
    if not parts:
        raise DataError(str(path), "names no pictures: 'train', 'val' and 'test' are missing")
    return parts


def _yaml_folder(base: Path, folder: str) -> tuple[Path, str] | None:
    """The data's folder and the pictures' below it; ``../`` at the start is often one too many."""
    for name in (folder, folder.removeprefix("../")):
        if (base / name).is_dir():
            place = Path(os.path.normpath(base / name))
            root = Path(os.path.normpath(base))
            if root in place.parents:
                return root, place.relative_to(root).as_posix()
            return place.parent, place.name
    return None


def _yolo_parts(
    root: Path, folders: Iterable[str], names: dict[int, str] | None, request: Request
) -> Parts:
    """A source for each folder of pictures; labels are where ``images`` becomes ``labels``."""
    parts: Parts = {}
    for folder in folders:
        words = folder.split("/")
        at = max((place for place, word in enumerate(words) if word == "images"), default=None)
        labels = list(words)
        if at is not None:
            labels[at] = "labels"
        found = (
            (f"{folder}/{name}", "/".join([*labels, str(Path(name).with_suffix(".txt"))]))
            for name in sorted_rows(_walk(root / folder, *IMAGE_SUFFIXES))
        )
        split = next((_split(word) for word in reversed(words) if _split(word)), None)
        source = _source(str(root / folder), root, found, YoloReader(root, names), request)
        parts.setdefault(split, []).append(source)
    return parts


def _beside(folder: Path, request: Request, suffix: str, reader: Callable[[Path], Reader]) -> Parts:
    """Pictures with a file of the same name beside each, in the folder or its split folders."""
    parts: Parts = {}
    for below in _split_folders(folder) or [""]:
        there = {Path(name).stem for name in _files(folder / below, suffix)}
        pictures = _files(folder / below, *IMAGE_SUFFIXES)
        if not there & {Path(name).stem for name in pictures}:
            continue
        found = (
            (_joined(below, name), _joined(below, str(Path(name).with_suffix(suffix))))
            for name in pictures
        )
        source = _source(str(folder / below), folder, found, reader(folder), request)
        parts.setdefault(_split(below), []).append(source)
    return parts


def _source(
    name: str,
    root: Path,
    found: Iterable[tuple[str, str]],
    read: Reader,
    request: Request,
) -> DetectionSource:
    """A source of pictures and their annotation files; a missing file means: no objects."""
    pictures, notes = ByteRows(), ByteRows()
    annotated = 0
    for picture, note in found:
        there = (root / note).is_file()
        annotated += there
        pictures.append(os.fsencode(picture))
        notes.append(os.fsencode(note) if there else b"")
    if not annotated:
        raise DataError(name, f"none of its {len(pictures)} pictures has an annotation file")
    return DetectionSource(
        name, root=root, pictures=pictures, notes=notes, files=True, read=read, request=request
    )


def _names_beside(folder: Path) -> dict[int, str] | None:
    for path in [*(folder / name for name in _NAME_FILES), *sorted(folder.glob("*.names"))]:
        if path.is_file():
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            return read_names([line.strip() for line in lines if line.strip()], str(path))
    return None


def _picture(folder: Path, stem: str) -> str:
    """A picture's path with the suffix that is there; ``.jpg`` where none is."""
    for suffix in (".jpg", *sorted(IMAGE_SUFFIXES)):
        if (folder / (stem + suffix)).is_file():
            return stem + suffix
    return stem + ".jpg"


def _split(name: str) -> SplitName | None:
    """The split that a name tells by one of its words."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def _split_folders(folder: Path) -> list[str]:
    return [name for name in _folders(folder) if _split(name) is not None]


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] not in "._"]
    return sorted(names, key=natural)


def _files(folder: Path, *suffixes: str) -> list[str]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if Path(entry.name).suffix.lower() in suffixes]
    return sorted(names, key=natural)


def _walk(folder: Path, *suffixes: str) -> Iterator[str]:
    return walk(folder, frozenset(suffixes), Skipped())


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
