"""Folders with COCO annotations: which of their JSON files hold the boxes, and of which split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anysize.core.errors import DataError
from anysize.sources.boxes.coco import looks_like_coco, open_coco
from anysize.sources.boxes.folders import (
    Parts,
    called,
    files,
    split_folders,
    split_of,
    tell_of_unread,
)
from anysize.sources.columns import Request
from anysize.sources.json_stream import sections
from anysize.sources.split_names import SplitName

_OTHERS = {
    "captions": "captions",
    "panoptic": "panoptic segments",
    "keypoints": "keypoints",
    "boxes": "boxes",
    "nothing": "no annotations",
}


def of_file(path: Path, request: Request) -> Parts | None:
    """One annotation file."""
    if path.suffix.lower() == ".json" and looks_like_coco(path):
        return {None: [open_coco(path, request)]}
    return None


def of_folder(folder: Path, request: Request) -> Parts | None:
    """``annotations/*.json``, or JSON files beside the pictures or in split folders."""
    parts: Parts = {}
    above = called(folder, "annotations", "annotation", "labels", "result")
    for below in (*([above] if above else []), "", *split_folders(folder)):
        found: dict[SplitName | None, list[Path]] = {}
        for name in files(folder / below, ".json"):
            path = folder / below / name
            if looks_like_coco(path):
                found.setdefault(split_of(path.stem) or split_of(below), []).append(path)
        unnamed = found.pop(None, []) if len(found) > 1 else []
        _left_out(request, unnamed, "its name is that of no split, others' are")
        for split, paths in found.items():
            for path in _with_boxes(paths, request):
                parts.setdefault(split, []).append(open_coco(path, request))
        if parts and below in (above, ""):
            break
    return tell_of_unread(folder, parts, request) or None


def _with_boxes(paths: list[Path], request: Request) -> list[Path]:
    """Of several files for one split those with boxes; a single one is taken as it is."""
    if len(paths) == 1:
        return paths
    kinds = {path: _kind(path) for path in paths}
    for wanted in ("boxes", "keypoints"):
        chosen = [path for path, kind in kinds.items() if kind == wanted]
        if chosen:
            for path, kind in kinds.items():
                if kind != wanted:
                    _left_out(request, [path], f"it holds {_OTHERS[kind]}")
            return chosen
    return paths[:1]


def _kind(path: Path) -> str:
    """What the first annotation of a file holds."""
    try:
        for section, place, entry in sections(path, ("annotations",)):
            if section != "annotations" or place < 0 or not isinstance(entry, Mapping):
                continue
            if "keypoints" in entry or "num_keypoints" in entry:
                return "keypoints"
            if "bbox" in entry:
                return "boxes"
            if "caption" in entry:
                return "captions"
            if "segments_info" in entry:
                return "panoptic"
            # An annotation without a box among those that have one.
            if "category_id" in entry:
                return "boxes"
    except DataError:
        # What is wrong with it is said where it is opened.
        return "boxes"
    return "nothing"


def _left_out(request: Request, paths: list[Path], reason: str) -> None:
    if paths:
        request.findings.add(
            "file-left-out",
            f"{paths[0].parent}: an annotation file is not read, because {reason}",
            level="note",
            count=len(paths),
            unit="files",
            examples=[path.name for path in paths],
        )
