"""Pictures with annotated objects as a source: what the layouts have in common."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.objects import Annotation
from anysize.core.records import Record
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import is_there
from anysize.sources.boxes.described import Described
from anysize.sources.boxes.role import ROLE
from anysize.sources.columns import Request
from anysize.sources.digests import digest_of_files, evenly
from anysize.sources.labels.alike import tell_alike
from anysize.sources.stores import ByteRows

# Of a large set so many pictures are compared with their annotations before work.
_COMPARED = 256


class DetectionSource:
    """One record a picture; its target is a tuple of :class:`anysize.core.objects.Annotation`.

    Args:
        name: what the user called it.
        root: folder that all paths are relative to.
        found: for each picture its path with forward slashes, the path of its annotation file
            (empty: it has none of its own), and what the annotations say.
        request: what ids are relative to, the picture's role, and where findings go.

    Raises:
        DataError: there are no pictures.
    """

    def __init__(
        self,
        name: str,
        *,
        root: Path,
        found: Iterable[tuple[str, str, Described]],
        request: Request,
    ) -> None:
        self.name = name
        self._root = root
        self._prefix = _prefix(root, request.root)
        self._role = request.of_kind("image")[0].role
        self._targets = any(spec.role == ROLE for spec in request.of_kind("target"))
        self._pictures, self._files, self._notes = ByteRows(), ByteRows(), ByteRows()
        faults, missing, doubled, twice = _Few(), _Few(), _Few(), _Few()
        self._doubled: set[int] = set()
        places: dict[str, int] = {}
        labels: Counter[str] = Counter()
        for picture, file, described in found:
            place = places.setdefault(picture, len(places))
            if place < len(self._pictures):
                if place not in self._doubled:
                    doubled.add(printable(picture))
                self._doubled.add(place)
                continue
            different = tuple(dict.fromkeys(described.objects))
            if len(different) < len(described.objects):
                twice.add(printable(picture), len(described.objects) - len(different))
                described = replace(described, objects=different)
            labels.update(each.label for each in different)
            self._pictures.append(os.fsencode(picture))
            self._files.append(os.fsencode(file))
            self._notes.append(described.pack())
            if described.problem and self._targets:
                faults.add(f"{printable(picture)}: {described.problem}")
            if not is_there(root / picture):
                missing.add(printable(picture))
        if self._targets:
            self._tell_of_annotations(request, doubled, twice, labels)
        self._tell(request, faults, missing)

    def _tell_of_annotations(
        self, request: Request, doubled: _Few, twice: _Few, labels: Counter[str]
    ) -> None:
        tell_alike([labels], self.name, request.findings)
        doubled.tell(
            request.findings,
            "pictures-share-a-file",
            f"{self.name}: pictures that several entries lead to are left out, because it is "
            "not known whose objects are theirs",
            unit="pictures",
            remedy="name every picture once, with the folders that it is in",
        )
        twice.tell(
            request.findings,
            "object-annotated-twice",
            f"{self.name}: boxes of one class with the same sides are read once",
            unit="boxes",
        )

    def _tell(self, request: Request, faults: _Few, missing: _Few) -> None:
        faults.tell(
            request.findings,
            "annotation-unusable",
            f"{self.name}: pictures whose annotations cannot be used are left out",
            unit="pictures",
            remedy="correct the annotations",
        )
        missing.tell(
            request.findings,
            "picture-missing",
            f"{self.name}: pictures that are named but not there are left out",
            unit="pictures",
            remedy="put them there, or remove them from the annotations",
        )
        if self._targets:
            self._compare(request)

    def _compare(self, request: Request) -> None:
        """Looks at some pictures, evenly spread, whether their annotations can be theirs."""
        contradictions, paged = _Few(), _Few()
        looked = range(0, len(self), max(-(-len(self) // _COMPARED), 1))
        for index in looked:
            described = self._described(index)
            path = self.path(index)
            if described.problem or not described.objects or not is_there(path):
                continue
            try:
                pages = self._pages(described, path)
            except DataError as error:
                contradictions.add(f"{self._id(index)}: {error.problem}")
                continue
            if pages > 1:
                paged.add(f"{self._id(index)}: {pages}")
        some = "" if len(looked) == len(self) else f" (of {len(looked)} that were looked at)"
        paged.tell(
            request.findings,
            "pages-unread",
            f"{self.name}: the objects of a picture are on its first page; further pages of "
            f"pictures{some} are not read, whatever --pages says, which is for prediction",
            unit="pictures",
            remedy="write each page that has objects as a picture of its own",
        )
        contradictions.tell(
            request.findings,
            "annotation-contradicts-picture",
            f"{self.name}: pictures{some} that their annotations contradict are left out",
            unit="pictures",
            remedy="correct the annotations",
        )

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Record:
        from anysize.readers.image import Image

        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        path = self.path(index)
        if not is_there(path):
            raise DataError(
                self._id(index),
                f"the picture is missing: {self.name} names it, but there is no file "
                f"{printable(str(path))}",
            )
        image = Image(path)
        target: tuple[Annotation, ...] | None = None
        if self._targets:
            described = self._described(index)
            described.refuse()
            known = described.objects or described.size is not None
            target = described.within(image.extent) if known else ()
        return Record(id=self._id(index), fields={self._role: image}, target=target)

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
        """Every record's objects in order, boxes as they are written; None where none are usable.

        Reads no pictures, so boxes are not compared with them.
        """
        for index in range(len(self)):
            described = self._described(index)
            usable = self._targets and not described.problem
            yield described.objects if usable else None

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for index, note in enumerate(self._notes):
            digest.update(self._pictures[index] + b"\0" + _stamp(self.path(index)) + note)
            file = self._files[index]
            if file:
                digest.update(_stamp(self._root / os.fsdecode(file)))
            digest.update(b"\n")
        some = map(self.path, evenly(len(self)))
        digest.update(digest_of_files(some).encode())
        return digest.hexdigest()

    def _described(self, index: int) -> Described:
        if index in self._doubled:
            return Described(problem="several entries lead to this picture", origin=self.name)
        return Described.unpack(self._notes[index])

    def _pages(self, described: Described, path: Path) -> int:
        """How many pages a picture has that fits its annotations.

        Raises:
            DataError: it does not fit.
        """
        from anysize.readers.image import Image

        image = Image(path)
        try:
            extent = image.extent
        except DataError:
            # That the picture is damaged is no fault of its annotations.
            return 0
        described.within(extent)
        return image.pages

    def path(self, index: int) -> Path:
        """A record's picture."""
        return self._root / os.fsdecode(self._pictures[index])

    def _id(self, index: int) -> str:
        # File names that are not UTF-8 come with surrogates, which JSON files cannot hold.
        return printable(self._prefix + os.fsdecode(self._pictures[index]))


class _Few:
    """A count, and the first few of what was counted."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, example: str, count: int = 1) -> None:
        self.count += count
        if len(self.first) < 5:
            self.first.append(example)

    def tell(
        self, findings: Findings, code: str, message: str, *, unit: str, remedy: str = ""
    ) -> None:
        """Adds a warning, where anything was counted."""
        if self.count:
            findings.add(
                code, message, count=self.count, unit=unit, examples=self.first, remedy=remedy
            )


def _prefix(folder: Path, root: Path) -> str:
    """What comes before a picture's path in its id: no part of the machine's own folders."""
    try:
        below = folder.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        below = folder.name
    return "" if below == "." else below + "/"


def _stamp(path: Path) -> bytes:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return b"gone"
    return b"%d %d" % (status.st_size, status.st_mtime_ns)
