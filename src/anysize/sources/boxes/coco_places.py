"""Where the pictures of a COCO annotation file are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from anysize.core.errors import DataError
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import is_there
from anysize.sources.boxes.folders import shared_folders
from anysize.sources.listing import Skipped, natural, walk

_USUAL = ("", "images", "../images", "..")
_LOOKED_AT = 20


@dataclass(kw_only=True)
class Places:
    """The folder that pictures are below, and how their names are read.

    Attributes:
        root: the folder.
        guessed: names that are there only without some of their first folders.
    """

    root: Path
    guessed: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, names: Sequence[str]) -> Places:
        """The first usual place that has one of the first few; else one below that has.

        Raises:
            DataError: none of them is anywhere.
        """
        if not names:
            raise DataError(str(path), "names no pictures (its 'images' is empty)")
        first = names[:_LOOKED_AT]
        folders = _folders(path)
        for folder in folders:
            if any(inside(name) and is_there(folder / name) for name in first):
                return cls._with_guesses(folder, names)
        for folder in folders:
            if any(_tail(folder, name) for name in first):
                return cls._with_guesses(folder, names)
        below = _below(path, first)
        if below is not None:
            return cls._with_guesses(below, names)
        looked = sorted({str(folder) for folder in folders if folder.is_dir()})
        shown = ", ".join(printable(name) for name in names[:3])
        raise DataError(
            str(path),
            f"none of its first pictures ({shown}) was found; looked in {', '.join(looked)}. "
            "Put the pictures into a folder 'images' beside the annotations",
        )

    @classmethod
    def _with_guesses(cls, root: Path, names: Sequence[str]) -> Places:
        made = cls(root=root)
        made.guessed = [printable(name) for name in names if made.of_name(name) != name]
        return made

    def of_name(self, name: str) -> str:
        """The path of a picture below the folder, whether it is there or not."""
        if inside(name) and is_there(self.root / name):
            return name
        # Never out of the folder, wherever a name points.
        found = _tail(self.root, name)
        return found or (name if inside(name) else PurePosixPath(name).name or "unnamed")


def inside(name: str) -> bool:
    """Whether a name stays in its folder."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _tail(root: Path, name: str) -> str | None:
    """The longest end of a name that is there below a folder."""
    parts = [
        part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")
    ]
    for start in range(len(parts)):
        end = "/".join(parts[start:])
        if inside(end) and is_there(root / end):
            return end
    return None


def _folders(path: Path) -> list[Path]:
    words = sorted({path.stem, *path.stem.split("_")})
    places = [*_USUAL, *(above + word for word in words for above in ("", "../", "../images/"))]
    return [Path(os.path.normpath(path.parent / place)) for place in places]


def _below(path: Path, names: Sequence[str]) -> Path | None:
    """The folder beside the annotations, however deep, that has one of the pictures.

    Where several have, the one below which most of its name is found.
    """
    wanted = {PurePosixPath(name).name: name for name in reversed(names)}
    top = path.parent.parent if path.parent.name.lower().startswith("annotation") else path.parent
    found = (
        name for name in walk(top, IMAGE_SUFFIXES, Skipped()) if name.rpartition("/")[2] in wanted
    )
    places = [(shared_folders(wanted[name.rpartition("/")[2]], name), name) for name in found]
    if not places:
        return None
    most = max(shared for shared, _ in places)
    name = min((name for shared, name in places if shared == most), key=natural)
    return (top / name).parents[most]
