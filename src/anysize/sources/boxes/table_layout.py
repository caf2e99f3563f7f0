"""Folders with a table of boxes, one for all pictures or one for each split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from anysize.core.errors import DataError
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import tell_encoding
from anysize.sources.boxes.described import Described
from anysize.sources.boxes.folders import (
    Parts,
    Pictures,
    called,
    files,
    plain_name,
    split_folders,
    split_of,
    tell_of_unread,
)
from anysize.sources.boxes.source import DetectionSource
from anysize.sources.boxes.table import BoxRows, BoxTable, Listed, box_table, class_names
from anysize.sources.columns import Request
from anysize.sources.split_names import SPLIT_NAMES, SplitName

_SUFFIXES = (".csv", ".tsv", ".txt")
_PICTURES = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "pics", "data")


def of_file(path: Path, request: Request) -> Parts | None:
    """One table."""
    table = box_table(path) if path.suffix.lower() in _SUFFIXES else None
    return None if table is None else _sources(table, path.parent, None, request)


def of_folder(folder: Path, request: Request) -> Parts | None:
    """Tables in the folder, in ``annotations`` or in split folders."""
    parts: Parts = {}
    above = called(folder, "annotations", "annotation", "labels")
    for inner in ("", *([above] if above else []), *split_folders(folder)):
        tables = [
            table
            for name in files(folder / inner, ".csv", ".tsv")
            if (table := box_table(folder / inner / name)) is not None
        ]
        for table in tables:
            named = split_of(table.path.stem) or split_of(inner)
            for split, sources in _sources(table, folder, named, request).items():
                parts.setdefault(split, []).extend(sources)
    return tell_of_unread(folder, parts, request) or None


def _sources(table: BoxTable, folder: Path, named: SplitName | None, request: Request) -> Parts:
    """The sources of one table, by the split that its name or a column of it gives."""
    with BoxRows(table, _names(folder)) as rows:
        _tell(table, rows, request)
        splits: list[SplitName | None] = [named]
        if table.columns.split is not None and named is None:
            splits = list(dict.fromkeys(SPLIT_NAMES.get(one.split) for one in rows.pictures()))
        places = _Places(folder, table.path)
        found: Parts = {}
        for split in splits:
            chosen = (
                one
                for one in rows.pictures()
                if len(splits) == 1 or SPLIT_NAMES.get(one.split) == split
            )
            source = DetectionSource(
                str(table.path), root=folder, found=places.of(chosen), request=request
            )
            found[split] = [source]
        if places.guessed:
            request.findings.add(
                "picture-place-guessed",
                f"{table.path}: pictures that are not where it says are read from below {folder}",
                level="note",
                count=len(places.guessed),
                unit="pictures",
                examples=places.guessed[:5],
            )
        if not places.there:
            raise DataError(
                str(table.path),
                f"none of the pictures that it names was found below {folder}, such as "
                f"{places.first}; put them into a folder 'images' beside the table",
            )
        return found


class _Places:
    """Finds the pictures that a table names.

    Attributes:
        there: how many were found.
        first: the first one that was not.
        guessed: names of those that are in other folders than their names say.
    """

    def __init__(self, folder: Path, table: Path) -> None:
        self._pictures = Pictures(folder)
        beside = table.parent.relative_to(folder).as_posix() if table.parent != folder else ""
        self._first = (beside, *filter(None, [called(folder, *_PICTURES)]))
        self.there = 0
        self.first = ""
        self.guessed: list[str] = []

    def of(self, rows: Iterator[Listed]) -> Iterator[tuple[str, str, Described]]:
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
                self.guessed.append(printable(one.picture))
            yield path, "", one.described


def _tell(table: BoxTable, rows: BoxRows, request: Request) -> None:
    columns = table.columns
    findings = request.findings
    form = {
        "corners": "left, top, right, bottom",
        "sides": "left, top, width, height",
        "centre": "centre, width, height",
        "one cell": "left, top, width, height in one cell",
    }[columns.form]
    unit = "parts of the picture's sides" if rows.relative else "pixels"
    findings.add(
        "boxes-read-as",
        f"{table.path}: its boxes are read as {form}, in {unit}",
        level="note",
        unit="files",
    )
    tell_encoding(table.path, rows.encoding, findings)
    if not table.header:
        findings.add(
            "header-missing",
            f"{table.path}: has no header; its columns are read as picture, left, top, right, "
            "bottom, class",
            level="note",
            unit="files",
        )
    if columns.label is None:
        findings.add(
            "classes-without-names",
            f"{table.path}: no column names the classes, so all objects are of one class, 'object'",
            unit="files",
            remedy="call the column 'class' or 'label'",
        )
    if rows.lost_count:
        findings.add(
            "annotation-without-picture",
            f"{table.path}: rows without a picture's name are left out",
            count=rows.lost_count,
            examples=rows.lost,
        )


def _names(folder: Path) -> dict[str, str]:
    """Names of classes by the codes or numbers that tables have."""
    found: dict[str, str] = {}
    for name in files(folder, ".csv"):
        if "class" in name.lower():
            found |= class_names(folder / name)
    return found
