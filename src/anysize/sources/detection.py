"""Pictures with annotated objects as a source: what the layouts have in common."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.core.records import Record
from anysize.sources.columns import Request
from anysize.sources.stores import ByteRows

ROLE = "objects"
"""The role of a task's column that the objects of a picture fill."""

_log = logging.getLogger(__name__)

Reader = Callable[[Path, bytes], tuple[Annotation, ...]]
"""From a picture's path and its note to its objects; raises DataError."""


def wants_objects(request: Request) -> bool:
    """Whether the task is about objects in pictures."""
    return any(spec.role == ROLE for spec in request.columns)


class DetectionSource:
    """One record a picture; its target is a tuple of :class:`anysize.core.objects.Annotation`.

    Args:
        name: what the user called it.
        root: folder that all paths are relative to.
        pictures: their paths, with forward slashes.
        notes: what ``read`` needs for each picture: its objects, or the path of the file that
            tells them (empty: there is none).
        files: whether the notes are paths.
        read: makes the objects of a picture.
        request: what ids are relative to, and the picture's role.
    """

    def __init__(
        self,
        name: str,
        *,
        root: Path,
        pictures: ByteRows,
        notes: ByteRows,
        files: bool,
        read: Reader,
        request: Request,
    ) -> None:
        self.name = name
        self._root = root
        self._prefix = _prefix(root, request.root)
        self._pictures = pictures
        self._notes = notes
        self._files = files
        self._read = read
        self._role = request.of_kind("image")[0].role

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Record:
        from anysize.readers.image import Image

        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        path = self._path(index)
        if not path.is_file():
            raise DataError(
                self._id(index),
                f"the picture is missing: {self.name} names it, but there is no file {path}",
            )
        return Record(
            id=self._id(index),
            fields={self._role: Image(path)},
            target=self._read(path, self._notes[index]),
        )

    def ids(self) -> Iterator[str]:
        """The records' ids, without touching the files."""
        return (self._id(index) for index in range(len(self)))

    def id_hashes(self, start: int, stop: int) -> NDArray[np.uint64]:
        """The first eight bytes of BLAKE2 of each id ``[start, stop)``."""
        data = b"".join(
            hashlib.blake2b(self._id(index).encode(), digest_size=8).digest()
            for index in range(start, stop)
        )
        return np.frombuffer(data, dtype="<u8")

    def targets(self) -> Iterator[tuple[Annotation, ...] | None]:
        """Every record's objects in order; None where they cannot be read."""
        for index in range(len(self)):
            try:
                yield self._read(self._path(index), self._notes[index])
            except DataError:
                yield None

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for index in range(len(self)):
            note = self._notes[index]
            digest.update(self._pictures[index] + b"\0" + _stamp(self._path(index)) + note)
            if self._files and note:
                digest.update(_stamp(self._root / os.fsdecode(note)))
            digest.update(b"\n")
        return digest.hexdigest()

    def _path(self, index: int) -> Path:
        return self._root / os.fsdecode(self._pictures[index])

    def _id(self, index: int) -> str:
        # File names that are not UTF-8 come with surrogates, which JSON files cannot hold.
        path = self._prefix + os.fsdecode(self._pictures[index])
        return path.encode("utf-8", "backslashreplace").decode("utf-8")


class Faults:
    """What is wrong with a set of annotations: counted, with the first of each kind named.

    Args:
        origin: the file or folder, for messages.
    """

    _SHOWN = 5

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._counts: Counter[str] = Counter()
        self._named: dict[str, list[str]] = {}

    def add(self, kind: str, where: str) -> None:
        """Notes a fault.

        Args:
            kind: a sentence that fits all of its kind.
            where: which one it is.
        """
        self._counts[kind] += 1
        named = self._named.setdefault(kind, [])
        if len(named) < self._SHOWN:
            named.append(where)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __str__(self) -> str:
        return "; ".join(
            f"{count} x {kind} ({', '.join(self._named[kind])}"
            f"{', …' if count > self._SHOWN else ''})"
            for kind, count in self._counts.items()
        )

    def refuse(self) -> None:
        """Raises all faults as one error, if there are any."""
        if self:
            raise DataError(self._origin, str(self))

    def warn(self) -> None:
        """Logs all faults as one warning, if there are any."""
        if self:
            _log.warning("%s: %s", self._origin, self)


def fitted(
    box: tuple[float, float, float, float], width: float, height: float
) -> tuple[float, float, float, float] | None:
    """The part of a box inside a picture; None where there is none."""
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(box[2], float(width)), min(box[3], float(height))
    return (left, top, right, bottom) if right > left and bottom > top else None


def _prefix(folder: Path, root: Path) -> str:
    """What stands before a picture's path in its id: no part of the machine's own folders."""
    try:
        below = folder.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        below = folder.name
    return "" if below == "." else below + "/"


def _stamp(path: Path) -> bytes:
    try:
        status = path.stat()
    except OSError:
        return b"gone"
    return b"%d %d" % (status.st_size, status.st_mtime_ns)
