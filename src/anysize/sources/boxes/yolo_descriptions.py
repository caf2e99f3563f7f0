"""What describes YOLO data: a YAML or Darknet file, and the files that name the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.sources.boxes.annotation_files import is_there, number, shown, tell_encoding, text
from anysize.sources.boxes.folders import called, files, split_folders
from anysize.sources.boxes.yaml_file import read_yaml
from anysize.sources.boxes.yolo import read_names
from anysize.sources.columns import Request
from anysize.sources.split_names import SPLIT_NAMES

NAME_FILES = (
    "classes.txt", "obj.names", "names.txt", "labels.txt", "predefined_classes.txt",
    "_darknet.labels", "class.names", "classes.names",
)  # fmt: skip
_USUAL = ("data", "dataset", "config")
_LISTS = 1 << 30


def described(folder: Path, request: Request) -> tuple[Path, Mapping[str, Any]] | None:
    """The YAML or Darknet file of a folder, and what is in it."""
    found: list[tuple[Path, Mapping[str, Any]]] = []
    names = sorted(
        files(folder, ".yaml", ".yml"), key=lambda name: Path(name).stem.lower() not in _USUAL
    )
    for name in names:
        path = folder / name
        try:
            entries, encoding = read_yaml(path)
        except DataError:
            if path.stem.lower() in _USUAL:
                raise
            continue
        keys = {key.lower() for key in entries}
        if path.stem.lower() in _USUAL or ("names" in keys and keys & set(SPLIT_NAMES)):
            tell_encoding(path, encoding, request.findings)
            found.append((path, entries))
    found += [(folder / name, read_darknet(folder / name)) for name in files(folder, ".data")]
    for path, _ in found[1:]:
        request.findings.add(
            "file-left-out",
            f"{folder}: of several descriptions of the data only {found[0][0].name} is read",
            unit="files",
            examples=[path.name],
            remedy="give the other one by its path",
        )
    return found[0] if found else None


def base_of(path: Path, entries: Mapping[str, Any], request: Request) -> Path:
    """The folder that a description's paths are relative to: its ``path``, else its own folder."""
    given = entries.get("path")
    if not isinstance(given, str) or not given.strip():
        return path.parent
    for place in (path.parent / given, path.parent / Path(given).name):
        if place.is_dir():
            return place
    request.findings.add(
        "data-folder-guessed",
        f"{path}: its path {shown(given)!r} is not there, so {path.parent} is read",
        level="note",
        unit="files",
    )
    return path.parent


def names_of(
    path: Path, base: Path, entries: Mapping[str, Any], request: Request
) -> Mapping[int, str]:
    """Class names by number: those of a description, or of a file that names the classes.

    Raises:
        DataError: there are none, and nothing says how many classes there are.
    """
    given = entries.get("names")
    if isinstance(given, str):
        file = next((each / given for each in (base, path.parent) if is_there(each / given)), None)
        if file is None:
            raise DataError(
                str(path),
                "'names' must be a list of class names, a mapping from numbers to names, or a file "
                f"with a name a line; there is no file {shown(given)!r}",
            )
        return _from_lines(file, request)
    if given is None:
        beside = names_beside(base, request)
        count = int(number(entries.get("nc", entries.get("classes"))) or 0)
        if beside is None and 0 < count < 1 << 20:
            request.findings.add(
                "classes-without-names",
                f"{path}: has no names, so its {count} classes are called by their numbers",
                unit="files",
            )
            return {place: str(place) for place in range(count)}
        if beside is not None:
            return beside
        raise DataError(str(path), "must be a mapping with 'names' and the pictures of each split")
    return _named(given, path, request)


def names_beside(folder: Path, request: Request) -> dict[int, str] | None:
    """Class names of a file in the data's folder or among the labels; None where there is none."""
    labels = called(folder, "labels")
    places = [folder, *([folder / labels] if labels else [])]
    places += [place / name for place in places for name in split_folders(place)]
    for place in places:
        for path in [*(place / name for name in NAME_FILES), *sorted(place.glob("*.names"))]:
            if is_there(path):
                return _from_lines(path, request)
    return None


def _from_lines(path: Path, request: Request) -> dict[int, str]:
    words, encoding = text(path)
    tell_encoding(path, encoding, request.findings)
    return _named(words.splitlines(), path, request)


def _named(entries: Any, path: Path, request: Request) -> dict[int, str]:
    """Names by number; those that several numbers have are said."""
    found = read_names(entries, str(path))
    shared = [name for name, count in Counter(found.values()).items() if count > 1]
    if shared:
        request.findings.add(
            "categories-share-a-name",
            f"{path}: classes of one name are read as one class",
            count=len(shared),
            unit="entries",
            examples=shared[:5],
        )
    return found


def read_darknet(path: Path) -> dict[str, Any]:
    """The entries ``key = value`` of a Darknet file; lists of pictures and the file of names."""
    pairs = (line.partition("=") for line in lines_of(path))
    found: dict[str, Any] = {key.strip(): value.strip() for key, _, value in pairs if value}
    return found


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not blank."""
    return [line.strip() for line in text(path, _LISTS)[0].splitlines() if line.strip()]
