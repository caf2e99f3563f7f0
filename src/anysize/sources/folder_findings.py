"""What is said of folders: everything in them that is passed over, with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from anysize import modalities
from anysize.modalities.pictures.suffixes import UNREAD_PICTURES
from anysize.sources.columns import Request
from anysize.sources.listing import Skipped, entry_kind, is_about, suffix_of
from anysize.sources.split_names import SplitName

_MANY = 20


def tell_skipped(folder: Path, skipped: Skipped, used: int, request: Request) -> None:
    """Files of other kinds, counted by kind, and what is no file.

    Args:
        folder: in which they are.
        skipped: what was passed over.
        used: how many files are read; against it others are few, a note, or many, a warning.
        request: takes the findings.
    """
    skipped = skipped.without({suffix for spec in request.roles for suffix in spec.beside})
    count = skipped.suffixes.total()
    if count:
        unread = dict.fromkeys(
            UNREAD_PICTURES[suffix]
            for suffix in skipped.suffixes
            if suffix in UNREAD_PICTURES and request.of_kind("image")
        )
        request.findings.add(
            "files-passed-over",
            f"{folder}: files of other kinds are passed over ({skipped})",
            level="warning" if count * _MANY > used else "note",
            count=count,
            unit="files",
            examples=skipped.names,
            remedy=f"convert what cannot be read ({', '.join(unread)}) to PNG or JPEG"
            if unread
            else "",
        )
    by_kind: dict[str, list[str]] = {}
    for path, kind in skipped.specials.items():
        by_kind.setdefault(kind, []).append(path)
    for kind, paths in by_kind.items():
        request.findings.add(
            "no-files",
            f"{folder}: entries that are no files are passed over ({kind})",
            count=len(paths),
            unit="entries",
            examples=paths,
        )


def tell_empty_class(folder: Path, skipped: Skipped, request: Request) -> None:
    """A folder of which nothing can be used, so that its class is missing."""
    if not skipped.suffixes and not skipped.specials:
        request.findings.add(
            "class-folder-empty",
            f"{folder}: the folder of the class {folder.name!r} is empty, so that there is no such "
            "class",
            unit="folders",
        )
        return
    request.findings.add(
        "class-folder-unread",
        f"{folder}: nothing in the folder of the class {folder.name!r} can be read "
        f"({skipped}), so that there is no such class",
        count=max(skipped.suffixes.total(), 1),
        unit="files",
        examples=skipped.names,
        remedy="convert the files to a format that is read, or move the folder elsewhere",
    )


def tell_passed_over(
    folder: Path, code: str, paths: Iterable[Path], why: str, request: Request, remedy: str = ""
) -> None:
    """Files or folders that are left out, each once."""
    several = list(paths)
    if several:
        unit = "folders" if several[0].is_dir() else "files"
        request.findings.add(
            code,
            f"{folder}: {unit} are left out, because {why}",
            count=len(several),
            unit=unit,
            examples=[path.name for path in several],
            remedy=remedy,
        )


def tell_results(folder: Path, results: Sequence[Path], request: Request) -> None:
    """Folders with runs or evaluations, which lie beside the data."""
    if results:
        request.findings.add(
            "folders-results",
            f"{folder}: folders of runs and evaluations are left out",
            level="note",
            count=len(results),
            unit="folders",
            examples=sorted(path.name for path in results),
        )


def tell_beside(folder: Path, kind: str, request: Request) -> None:
    """Files beside the folders of classes, which have no class."""
    suffixes = modalities.load(kind).suffixes
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if suffix_of(entry.name) in suffixes
            and not is_about(entry.name)
            and not entry.name.startswith((".", "__"))
            and entry_kind(entry) == "file"
        ]
    if names:
        request.findings.add(
            "files-beside-classes",
            f"{folder}: files beside the folders of classes are left out, because they have no "
            "class",
            count=len(names),
            unit="files",
            examples=sorted(names)[:5],
        )


def tell_rest(
    folder: Path, paths: Sequence[Path], used: Mapping[SplitName, list[Path]], request: Request
) -> None:
    """What lies beside the files or folders that are parts of the data."""
    taken = {path for several in used.values() for path in several}
    tell_passed_over(
        folder,
        "beside-parts",
        [path for path in paths if path not in taken],
        f"others are the parts of the data ({', '.join(sorted(path.name for path in taken)[:5])})",
        request,
        "move or rename them if they belong to the data",
    )
