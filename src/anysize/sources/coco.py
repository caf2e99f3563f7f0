"""COCO JSON annotations (https://cocodataset.org/#format-data): one file for many pictures."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.sources.columns import Request
from anysize.sources.detection import DetectionSource, Faults, fitted
from anysize.sources.json_stream import sections
from anysize.sources.stores import ByteRows

_PLACES = ("", "images", "../images", "..")


def looks_like_coco(path: Path) -> bool:
    """Whether a JSON file's beginning has the keys of COCO annotations."""
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
        DataError: not COCO, or annotations that contradict themselves; all faults are counted.
    """
    faults, repaired = Faults(str(path)), Faults(str(path))
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE images (id, name, width, height)")
        database.execute("CREATE TABLE objects (image, category, l, t, r, b, crowd)")
        categories = _fill(database, path, faults)
        _check_ids(database, categories, faults)
        faults.refuse()
        labels = sorted(categories)
        places = {category: place for place, category in enumerate(labels)}
        names = [categories[category] for category in labels]
        root = _folder(path, database)
        pictures, notes = ByteRows(), ByteRows()
        for name, objects in _grouped(database, repaired):
            pictures.append(os.fsencode(name))
            rows = [(places[category], *rest) for category, *rest in objects]
            notes.append(json.dumps(rows, separators=(",", ":")).encode())
    repaired.warn()
    return DetectionSource(
        str(path),
        root=root,
        pictures=pictures,
        notes=notes,
        files=False,
        read=CocoReader(tuple(names)),
        request=request,
    )


class CocoReader:
    """Makes the objects of a picture from its note.

    Args:
        names: of the categories.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __call__(self, picture: Path, note: bytes) -> tuple[Annotation, ...]:
        return tuple(
            Annotation(self._names[place], (left, top, right, bottom), crowd=bool(crowd))
            for place, left, top, right, bottom, crowd in json.loads(note)
        )


def _fill(database: sqlite3.Connection, path: Path, faults: Faults) -> dict[int, str]:
    """Puts pictures and objects into the database; gives names by category id."""
    categories: dict[int, str] = {}
    seen = set()
    for section, number, entry in sections(path, ("images", "annotations", "categories")):
        seen.add(section)
        where = f"{section}[{number}]"
        if number < 0:
            continue
        if not isinstance(entry, Mapping):
            faults.add(f"entries of {section} must be objects", where)
        elif section == "images":
            _add_image(database, entry, where, faults)
        elif section == "annotations":
            _add_object(database, entry, where, faults)
        elif not isinstance(entry.get("id"), int) or not isinstance(entry.get("name"), str):
            faults.add("a category needs a whole number as id and a name", where)
        elif entry["id"] in categories:
            faults.add("categories share an id", f"{where} id {entry['id']}")
        else:
            categories[entry["id"]] = entry["name"]
    missing = [name for name in ("images", "annotations", "categories") if name not in seen]
    if missing:
        raise DataError(
            str(path),
            f"is no COCO annotation file: it has no {' and no '.join(missing)} at its top level",
        )
    return categories


def _add_image(
    database: sqlite3.Connection, entry: Mapping[str, Any], where: str, faults: Faults
) -> None:
    name, number = entry.get("file_name"), entry.get("id")
    if not isinstance(name, str) or not name or not isinstance(number, int | str):
        faults.add("a picture needs file_name and id", where)
        return
    if Path(name).is_absolute() or ".." in Path(name).parts:
        faults.add("file_name must stay inside the pictures' folder", f"{where} {name!r}")
        return
    width, height = entry.get("width"), entry.get("height")
    known = all(isinstance(side, int | float) and side > 0 for side in (width, height))
    database.execute(
        "INSERT INTO images VALUES (?, ?, ?, ?)",
        (number, name, width if known else None, height if known else None),
    )


def _add_object(
    database: sqlite3.Connection, entry: Mapping[str, Any], where: str, faults: Faults
) -> None:
    box = entry.get("bbox")
    numbers = (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(side, int | float) and math.isfinite(side) for side in box)
    )
    if not numbers or box is None:
        faults.add("bbox must be four finite numbers [left, top, width, height]", where)
        return
    left, top, width, height = box
    crowd = int(bool(entry.get("iscrowd", 0) or entry.get("ignore", 0)))
    row = (entry.get("image_id"), entry.get("category_id"))
    if not all(isinstance(value, int | str) for value in row):
        faults.add("an annotation needs image_id and category_id", where)
        return
    database.execute(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*row, left, top, left + width, top + height, crowd),
    )


def _check_ids(database: sqlite3.Connection, categories: Mapping[int, str], faults: Faults) -> None:
    database.execute("CREATE INDEX by_id ON images (id)")
    for (number,) in database.execute("SELECT id FROM images GROUP BY id HAVING count(*) > 1"):
        faults.add("pictures share an id", str(number))
    for (number,) in database.execute(
        "SELECT DISTINCT category FROM objects ORDER BY category"
    ).fetchall():
        if number not in categories:
            faults.add("category_id is not among the categories", str(number))
    for (number,) in database.execute(
        "SELECT DISTINCT image FROM objects WHERE image NOT IN (SELECT id FROM images)"
    ):
        faults.add("image_id is not among the images", str(number))
    names = list(categories.values())
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add("categories share a name", name)


def _grouped(
    database: sqlite3.Connection, repaired: Faults
) -> Iterator[tuple[str, list[tuple[int, float, float, float, float, int]]]]:
    """Each picture's name and its objects, inside the picture."""
    rows = database.execute(
        "SELECT images.rowid, name, width, height, category, l, t, r, b, crowd "
        "FROM images LEFT JOIN objects ON objects.image = images.id "
        "ORDER BY images.rowid, objects.rowid"
    )
    current: int | None = None
    held: tuple[str, list[tuple[int, float, float, float, float, int]]] = ("", [])
    for place, name, width, height, category, *box, crowd in rows:
        if place != current:
            if current is not None:
                yield held
            current, held = place, (name, [])
        if category is None:
            continue
        limit = (math.inf, math.inf) if width is None else (width, height)
        inside = fitted((box[0], box[1], box[2], box[3]), *limit)
        if inside is None:
            repaired.add("boxes without a part in the picture are left out", name)
            continue
        if max(abs(a - b) for a, b in zip(inside, box, strict=True)) > 1:
            repaired.add("boxes reaching out of the picture are clipped", name)
        held[1].append((category, *inside, crowd))
    if current is not None:
        yield held


def _folder(path: Path, database: sqlite3.Connection) -> Path:
    """Where the pictures are: the first usual place that has one of the first few.

    Raises:
        DataError: none of them is anywhere.
    """
    names = [name for (name,) in database.execute("SELECT name FROM images LIMIT 20")]
    if not names:
        raise DataError(str(path), "names no pictures (its 'images' is empty)")
    words = sorted({path.stem, *path.stem.split("_")})
    places = [*_PLACES, *(above + word for word in words for above in ("", "../", "../images/"))]
    folders = [Path(os.path.normpath(path.parent / place)) for place in places]
    for folder in folders:
        if any((folder / name).is_file() for name in names):
            return folder
    looked = sorted({str(folder) for folder in folders if folder.is_dir()})
    raise DataError(
        str(path),
        f"none of its first pictures ({', '.join(names[:3])}) was found; looked in "
        f"{', '.join(looked)}. Put the pictures into a folder 'images' beside the annotations",
    )
