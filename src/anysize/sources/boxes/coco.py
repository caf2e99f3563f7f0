"""COCO JSON annotations (https://cocodataset.org/#format-data): one file for many pictures.

A faulty entry costs its picture at most: the picture's record fails and says why. What belongs to
no picture is left out and counted.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from anysize.sources.boxes.annotation_files import is_there
from anysize.sources.boxes.coco_entries import CocoEntries
from anysize.sources.boxes.coco_places import Places
from anysize.sources.boxes.source import DetectionSource
from anysize.sources.columns import Request

# So many names of pictures show where the pictures are.
_NAMES = 1000


def looks_like_coco(path: Path) -> bool:
    """Whether a JSON file's beginning has the keys of COCO annotations."""
    if not is_there(path):
        return False
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(1 << 16)
    except OSError:
        return False
    return head.lstrip("\ufeff \r\n\t").startswith("{") and any(
        f'"{key}"' in head for key in ("images", "annotations", "categories")
    )


def open_coco(path: Path, request: Request) -> DetectionSource:
    """One annotation file and its pictures, in the order of its ``images``.

    Objects are put in order by a temporary database on disk, so memory does not grow with them.

    Raises:
        DataError: not COCO, or none of its pictures is there.
    """
    with closing(sqlite3.connect("")) as database:
        entries = CocoEntries(database, path)
        entries.fill()
        entries.report(request)
        places = Places.of(path, entries.first_names(_NAMES))
        if places.guessed:
            request.findings.add(
                "picture-place-guessed",
                f"{path}: its pictures are named by other folders; those of the same name in "
                f"{places.root} are taken",
                level="note",
                count=len(places.guessed),
                unit="pictures",
                examples=places.guessed[:5],
            )
        return DetectionSource(
            str(path),
            root=places.root,
            found=((places.of_name(name), "", entry) for name, entry in entries.described()),
            request=request,
        )
