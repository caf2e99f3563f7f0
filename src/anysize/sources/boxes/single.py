"""Sources whose pictures have an annotation file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anysize.sources.boxes.annotation_files import is_there
from anysize.sources.boxes.described import Described
from anysize.sources.boxes.source import DetectionSource
from anysize.sources.columns import Request


@dataclass(frozen=True, kw_only=True)
class Files:
    """How an annotation file is read.

    Attributes:
        read: what a file says; what is wrong with it is in ``Described.problem``.
    """

    read: Callable[[Path], Described]


def single_source(
    name: str, root: Path, found: Iterable[tuple[str, str]], files: Files, request: Request
) -> DetectionSource:
    """A source of pictures and their annotation files; a missing file means: no objects.

    Args:
        name: for messages.
        root: folder that the paths are relative to.
        found: path of the picture, path of its annotation file.
        files: how these are read.
        request: of the caller.
    """
    bare = 0
    examples: list[str] = []

    def described() -> Iterator[tuple[str, str, Described]]:
        nonlocal bare
        for picture, file in found:
            if file and is_there(root / file):
                yield picture, file, files.read(root / file)
                continue
            bare += 1
            if len(examples) < 5:
                examples.append(picture)
            yield picture, "", Described()

    source = DetectionSource(name, root=root, found=described(), request=request)
    if bare:
        request.findings.add(
            "picture-without-annotations",
            f"{name}: pictures without an annotation file are read as pictures without objects",
            level="note",
            count=bare,
            unit="pictures",
            examples=examples,
        )
    return source
