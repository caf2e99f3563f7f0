"""Finding pictures with annotated objects, whatever the layout, by split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources.boxes import (
    coco_layout,
    listed_layout,
    single_layout,
    table_layout,
    yolo_layout,
)
from anysize.sources.boxes.folders import Parts, below, files, folders
from anysize.sources.boxes.role import ROLE, wants_objects, without_objects
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.split_names import SplitName


class _Layout(Protocol):
    """What a module of a layout has; None where a path is of no such layout."""

    def of_file(self, path: Path, request: Request) -> Parts | None: ...

    def of_folder(self, path: Path, request: Request) -> Parts | None: ...


_LAYOUTS: tuple[_Layout, ...] = (
    coco_layout,
    yolo_layout,
    listed_layout,
    single_layout,
    table_layout,
)
_PACKED = (".parquet", ".arrow")
_ANNOTATIONS = (".json", ".jsonl", ".xml", ".csv", ".tsv", ".txt", ".yaml", ".yml", ".data")


def open_objects(path: Path, request: Request) -> Source | None:
    """All pictures with objects below a path as one source; None where it has no such layout."""
    parts = parts_of(path, request)
    return (
        _one(str(path), [each for several in parts.values() for each in several]) if parts else None
    )


def split_objects(path: Path, request: Request) -> dict[SplitName | None, Source] | None:
    """The same by split; under None, alone, where no name gives one.

    Raises:
        DataError: as ``parts_of``.
    """
    parts = parts_of(path, request)
    if parts is None:
        return None
    if len(parts) > 1 and None in parts:
        unnamed = parts.pop(None)
        parts.setdefault("train", []).extend(unnamed)
        request.findings.add(
            "split-guessed",
            f"{path}: parts whose names are those of no split are read as training data",
            count=len(unnamed),
            unit="folders",
            examples=[source.name for source in unnamed],
            remedy="call them train, val or test, or move them elsewhere",
        )
    return {split: _one(f"{path} ({split})", several) for split, several in parts.items()}


def without_layout(path: Path, request: Request) -> Request:
    """The request for data in which no annotations were found: of pictures, without objects."""
    if not wants_objects(request):
        return request
    if any(spec.role == ROLE for spec in request.of_kind("target")):
        there = files(path, *_ANNOTATIONS) if path.is_dir() else []
        packed = next(below(path, *_PACKED), None) if path.is_dir() else path.suffix.lower()
        remedy = "the documentation lists the layouts that are read (data layouts)"
        if packed and packed.lower().endswith(_PACKED):
            remedy = (
                "a column of objects beside pictures in a table (as of Hugging Face) is not read: "
                "write the pictures as files, and beside them a metadata.jsonl with file_name and "
                "objects, or COCO JSON"
            )
        request.findings.add(
            "annotations-missing",
            f"{path}: no annotations of a known layout were found, so its pictures have no objects",
            unit="folders",
            examples=there[:5],
            remedy=remedy,
        )
    return dataclasses.replace(request, roles=without_objects(request.roles))


def parts_of(path: Path, request: Request) -> Parts | None:
    """What a path holds, in the first layout that fits; None where none does.

    Raises:
        DataError: a layout fits, and nothing of it can be used.
    """
    if not wants_objects(request):
        return None
    if path.is_file():
        found = [layout.of_file(path, request) for layout in _LAYOUTS]
        return next((parts for parts in found if parts), None)
    for layout in _LAYOUTS:
        parts = layout.of_folder(path, request)
        if parts:
            return parts
    return _inner(path, request)


def _inner(path: Path, request: Request) -> Parts | None:
    """A data set that is alone in a folder, as archives unpack."""
    inner = folders(path)
    if len(inner) != 1:
        return None
    for layout in _LAYOUTS:
        try:
            parts = layout.of_folder(path / inner[0], request)
        except DataError:
            # It may be anything: what it is will be said where it is opened.
            continue
        if parts:
            return parts
    return None


def _one(name: str, sources: Sequence[Source]) -> Source:
    return sources[0] if len(sources) == 1 else Concat(name, sources)
