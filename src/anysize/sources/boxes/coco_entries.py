"""The entries of a COCO annotation file, put in order by a temporary database on disk.

A faulty entry costs its picture at most: the picture's record fails and says why. What belongs to
no picture is left out and counted.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import number, shown, storable
from anysize.sources.boxes.described import Described, corners
from anysize.sources.columns import Request
from anysize.sources.json_stream import sections

_TABLES = """
CREATE TABLE images (key TEXT, name BLOB, width REAL, height REAL);
CREATE TABLE objects (place INTEGER, image TEXT, category TEXT, l REAL, t REAL, r REAL, b REAL,
    crowd INTEGER, problem TEXT);
"""
_ORDERED = """
SELECT images.name, width, height, many, place, category, problem, crowd, l, t, r, b
FROM (
    SELECT min(rowid) AS first, name AS same FROM images GROUP BY name
) JOIN images ON images.name = same
JOIN (SELECT key AS id, count(DISTINCT name) AS many FROM images GROUP BY key) ON id = images.key
LEFT JOIN objects ON objects.image = images.key
ORDER BY first, images.rowid, objects.place
"""
# The longest id or name that is taken for one.
_LONGEST = 4096
_WITHOUT_BOXES = {
    "caption": "captions",
    "segments_info": "panoptic segments",
    "question": "questions",
}


class CocoEntries:
    """One annotation file on its way through a database.

    Args:
        database: empty.
        path: of the file.
    """

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        database.executescript(_TABLES)
        self._database = database
        self._path = path
        self._categories: dict[str, str] = {}
        self._ambiguous: set[str] = set()
        self._faults: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[str]] = {}

    def fill(self) -> None:
        """Puts pictures and objects into the database.

        Raises:
            DataError: the file is no COCO annotation file.
        """
        seen, boxes, others = set(), 0, ""
        for section, place, entry in sections(self._path, ("images", "annotations", "categories")):
            seen.add(section)
            where = f"{section}[{place}]"
            if place < 0:
                continue
            if not isinstance(entry, Mapping):
                self._fault(
                    "annotation-unusable", f"entries of {section} that are no objects", where
                )
            elif section == "images":
                self._image(entry, where)
            elif section == "annotations":
                boxes += "bbox" in entry
                others = others or next((key for key in _WITHOUT_BOXES if key in entry), "")
                self._object(entry, place)
            else:
                self._category(entry, where)
        missing = [name for name in ("images", "annotations", "categories") if name not in seen]
        if others and not boxes:
            raise DataError(
                str(self._path),
                f"holds {_WITHOUT_BOXES[others]}, not boxes (no annotation has a 'bbox'); give the "
                "file with the instances",
            )
        if missing:
            raise DataError(
                str(self._path),
                f"is no COCO annotation file: it has no {' and no '.join(missing)} at its top "
                "level",
            )
        self._database.execute("CREATE INDEX by_key ON images (key)")
        self._database.execute("CREATE INDEX by_name ON images (name)")
        self._database.execute("CREATE INDEX by_image ON objects (image)")

    def first_names(self, count: int) -> list[str]:
        """The first names of pictures."""
        rows = self._database.execute(
            "SELECT DISTINCT name FROM images ORDER BY rowid LIMIT ?", (count,)
        )
        return [os.fsdecode(name) for (name,) in rows]

    def report(self, request: Request) -> None:
        """Adds what was found to the findings."""
        self._report_types(request)
        orphans = self._database.execute(
            "SELECT place, image FROM objects WHERE image NOT IN (SELECT key FROM images)"
        )
        for place, image in orphans:
            self._fault(
                "annotation-without-picture",
                "annotations whose image_id is not among the images are left out",
                f"annotations[{place}] image_id {image[1:]}",
            )
        twice = self._database.execute(
            "SELECT name FROM images GROUP BY name HAVING count(*) > 1 ORDER BY min(rowid)"
        )
        for (name,) in twice:
            self._fault(
                "picture-named-twice",
                "pictures that are named more than once are read once, with all their objects",
                os.fsdecode(name),
            )
        names = Counter(self._categories.values())
        for name, count in names.items():
            if count > 1:
                self._fault(
                    "categories-share-a-name", "categories of one name are read as one class", name
                )
        for (code, kind), count in self._faults.items():
            request.findings.add(
                code,
                f"{self._path}: {kind}",
                count=count,
                unit="entries",
                examples=self._examples[code, kind],
            )

    def _report_types(self, request: Request) -> None:
        """Ids that are text in one place and numbers in another: objects get the other form."""
        other = "CASE substr(image, 1, 1) WHEN 'i' THEN 's' ELSE 'i' END || substr(image, 2)"
        changed = self._database.execute(
            f"UPDATE objects SET image = {other} "
            f"WHERE image NOT IN (SELECT key FROM images) AND {other} IN (SELECT key FROM images)"
        ).rowcount
        used = self._database.execute("SELECT DISTINCT category FROM objects WHERE problem = ''")
        keys = {key for (key,) in used} - set(self._categories)
        changed += sum(_other(key) in self._categories for key in keys)
        if changed:
            request.findings.add(
                "ids-of-two-types",
                f"{self._path}: ids that are text in one place and numbers in another are read "
                "as the same",
                level="note",
                count=changed,
                unit="entries",
            )

    def described(self) -> Iterator[tuple[str, Described]]:
        """Each picture's name and what is said of it; of one named twice all that is said."""
        current, held = "", _Picture(self._path, "")
        for raw, width, height, many, *entry in self._database.execute(_ORDERED):
            name = os.fsdecode(raw)
            if name != current:
                if current:
                    yield current, held.finish()
                current, held = name, _Picture(self._path, name)
            held.sized(width, height, many)
            if entry[0] is not None:
                self._add(held, *entry)
        if current:
            yield current, held.finish()

    def _add(
        self,
        held: _Picture,
        place: int,
        category: str,
        problem: str,
        crowd: int,
        *sides: float,
    ) -> None:
        if category not in self._categories and _other(category) in self._categories:
            category = _other(category)
        if problem:
            held.problem(place, problem)
        elif category in self._ambiguous:
            held.problem(place, f"categories of different names share its id {category[1:]}")
        elif category not in self._categories:
            held.problem(place, f"category_id {category[1:]} is not among the categories")
        else:
            left, top, right, bottom = sides
            box = (left, top, right, bottom)
            held.object(place, Annotation(self._categories[category], box, crowd=bool(crowd)))

    def _image(self, entry: Mapping[str, Any], where: str) -> None:
        name, key = entry.get("file_name"), _key(entry.get("id"))
        if not isinstance(name, str) or not name or len(name) > _LONGEST or key is None:
            self._fault(
                "picture-unusable",
                "pictures without a file_name or an id are left out",
                where,
            )
            return
        if not storable(name):
            self._fault("picture-unusable", "names that no file can have are left out", where)
            return
        width, height = number(entry.get("width")), number(entry.get("height"))
        known = width is not None and height is not None and width > 0 and height > 0
        sides = (width, height) if known else (None, None)
        self._database.execute(
            "INSERT INTO images VALUES (?, ?, ?, ?)", (key, os.fsencode(_plain(name)), *sides)
        )

    def _object(self, entry: Mapping[str, Any], place: int) -> None:
        image, category = _key(entry.get("image_id")), _key(entry.get("category_id"))
        if image is None:
            self._fault(
                "annotation-without-picture",
                "annotations without a usable image_id are left out",
                f"annotations[{place}]",
            )
            return
        problem = "" if category is not None else "category_id must be a number or a name"
        box = entry.get("bbox")
        sides: Any = (None,) * 4
        if not isinstance(box, list):
            problem = problem or "it has no bbox [left, top, width, height]"
        else:
            found = corners(box, from_sides=True)
            if isinstance(found, str):
                problem = problem or f"bbox {shown(box)}: {found}"
            else:
                sides = found
        crowd = int(bool(entry.get("iscrowd", 0) or entry.get("ignore", 0)))
        self._database.execute(
            "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (place, image, category or "", *sides, crowd, problem),
        )

    def _category(self, entry: Mapping[str, Any], where: str) -> None:
        key, name = _key(entry.get("id")), entry.get("name")
        if isinstance(name, int | float) and not isinstance(name, bool):
            name = shown(name)
        if key is None or not isinstance(name, str) or not name.strip() or len(name) > _LONGEST:
            self._fault(
                "category-unusable", "categories need an id and a name; those without are left out",
                where,
            )  # fmt: skip
            return
        name = printable(name.strip())
        if self._categories.setdefault(key, name) != name:
            self._ambiguous.add(key)
            self._fault(
                "category-unusable",
                "categories of different names share an id; pictures with them are left out",
                f"{where} id {key[1:]}",
            )

    def _fault(self, code: str, kind: str, where: str) -> None:
        self._faults[code, kind] += 1
        named = self._examples.setdefault((code, kind), [])
        if len(named) < 5:
            named.append(printable(where))


class _Picture:
    """What is gathered of one picture."""

    def __init__(self, path: Path, name: str) -> None:
        self._origin = f"{path} ({printable(name)})"
        self._objects: dict[int, Annotation] = {}
        self._problems: list[str] = []
        self._size: tuple[float, float] | None = None
        self._count = 0

    def sized(self, width: float | None, height: float | None, many: int) -> None:
        """Takes a size, and notes that other pictures have its id."""
        if many > 1 and not self._problems:
            self._problems.append("another picture has the same id, so its objects are not known")
        if width is not None and height is not None:
            self._size = (width, height)

    def object(self, place: int, annotation: Annotation) -> None:
        """Takes an object; a picture that is listed twice comes with each of them twice."""
        self._objects[place] = annotation

    def problem(self, place: int, words: str) -> None:
        self._count += 1
        if self._count <= 3:
            self._problems.append(f"annotations[{place}]: {words}")

    def finish(self) -> Described:
        more = f"; … ({self._count} in all)" if self._count > 3 else ""
        return Described(
            objects=() if self._problems else tuple(self._objects.values()),
            size=self._size,
            problem="; ".join(self._problems) + more,
            origin=self._origin,
        )


def _key(value: Any) -> str | None:
    """An id as text: ``i5`` for 5 and 5.0, ``s5`` for "5"; None for what is no id."""
    if isinstance(value, str):
        return "s" + printable(value) if len(value) <= _LONGEST else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    return f"i{value}" if value.bit_length() < 1024 else None


def _other(key: str) -> str:
    """The key of a number for that of the same digits as text, and the reverse."""
    return {"i": "s", "s": "i"}.get(key[:1], "") + key[1:]


def _plain(name: str) -> str:
    """A file name with forward slashes and without ``./``."""
    if "\\" in name and "/" not in name:
        name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name
