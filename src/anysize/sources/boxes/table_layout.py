"""Folders with a table of boxes, one for all pictures or one for each split."""

from __future__ import annotations

from pathlib import Path

from anysize.sources.boxes.annotation_files import tell_encoding
from anysize.sources.boxes.folders import (
    Parts,
    called,
    files,
    split_folders,
    split_of,
    tell_of_unread,
)
from anysize.sources.boxes.listed_pictures import sources_by_split, sources_of
from anysize.sources.boxes.table import BoxRows, BoxTable, box_table, class_names
from anysize.sources.columns import Request
from anysize.sources.split_names import SplitName

_SUFFIXES = (".csv", ".tsv", ".txt")


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
        if table.columns.split is None or named is not None:
            return sources_of(rows.pictures, table.path, folder, named, request)
        return sources_by_split(rows.pictures, table.path, folder, request)


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
