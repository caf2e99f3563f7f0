"""Pictures in tar archives, read in place: ImageNet's own archives, and WebDataset shards.

A picture's class is, in this order: what the ``.cls`` file of its sample says; the name of its
folder in the archive, or of the archive that it is nested in (``n01440764.tar`` inside
``ILSVRC2012_img_train.tar``); the archive's own name where that is a synset; what a file of the
truth says of a validation picture. Synsets and class numbers get the names that files beside the
archive give them (``anysize.sources.imagenet.class_names``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import Record
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.readers.encodings import printable
from anysize.readers.image import Image
from anysize.sources.columns import Request
from anysize.sources.digests import digest_of_files
from anysize.sources.files import file_content
from anysize.sources.imagenet import class_names, truth
from anysize.sources.imagenet.class_names import ClassNames
from anysize.sources.imagenet.classes import SYNSET
from anysize.sources.split_names import SPLIT_NAMES
from anysize.sources.tar_index import BriefFile, Entry, TarIndex, tar_index

PROVIDES = ("tar",)

LARGEST_PICTURE = 1 << 28
"""Bytes of one picture's file at most (256 MiB): it is read as a whole."""

BLOCK = 1 << 10


class MemberImage(Image):
    """A picture inside an archive, whose bytes are read when they are first needed."""

    __slots__ = ("_archive", "_entry", "_read")

    def __init__(self, archive: BriefFile, entry: Entry, origin: str) -> None:
        self._archive = archive
        self._entry = entry
        self._read: bytes | None = None
        super().__init__(b"", origin)

    @property
    def _content(self) -> bytes:
        if self._read is None:
            if self._entry.size > LARGEST_PICTURE:
                raise DataError(
                    self.origin,
                    f"has {self._entry.size} bytes; in an archive a picture may have "
                    f"{LARGEST_PICTURE} at most: unpack it, so that it is read in parts",
                )
            self._read = self._archive.read(self._entry.offset, self._entry.size)
        return self._read

    @_content.setter
    def _content(self, value: Any) -> None:
        """The base class has no bytes to set."""


class TarSource:
    """One record a picture of an archive, in the archive's order.

    Args:
        path: the archive.
        index: of its pictures.
        names: of synsets and class numbers.
        request: what ids are relative to, and the picture's role.
    """

    def __init__(self, path: Path, index: TarIndex, names: ClassNames, request: Request) -> None:
        self.name = printable(str(path))
        self._path = path
        self._index = index
        self._names = names
        self._id = request.named(path)
        self._role = file_content(str(path), request).role
        self._archive = BriefFile(path, path.stat().st_size)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        entry = self._index[index]
        image = MemberImage(self._archive, entry, f"{self._path}/{entry.name}")
        return Record(
            id=f"{self._id}/{entry.name}",
            fields={self._role: image},
            target=self._target(entry),
        )

    def ids(self) -> Iterator[str]:
        """The records' ids, without reading pictures."""
        return (f"{self._id}/{entry.name}" for entry in self._entries(0, len(self)))

    def id_hashes(self, start: int, stop: int) -> NDArray[np.uint64]:
        """The first eight bytes of BLAKE2 of each id ``[start, stop)``."""
        data = b"".join(
            hashlib.blake2b(f"{self._id}/{entry.name}".encode(), digest_size=8).digest()
            for entry in self._entries(start, stop)
        )
        return np.frombuffer(data, dtype="<u8")

    def targets(self) -> Iterator[str | None]:
        """Every record's target in order, without reading pictures."""
        return (self._target(entry) for entry in self._entries(0, len(self)))

    def fingerprint(self) -> str:
        status = self._path.stat()
        text = f"{self._id}\0{status.st_size}\0{status.st_mtime_ns}\0{self._names.fingerprint()}"
        text += f"\0{digest_of_files([self._path])}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _entries(self, start: int, stop: int) -> Iterator[Entry]:
        for low in range(start, stop, BLOCK):
            yield from self._index.block(low, min(low + BLOCK, stop))

    def _target(self, entry: Entry) -> str | None:
        if entry.label is not None:
            return self._names.of_label(entry.label)
        folder = entry.name.rpartition("/")[0].rpartition("/")[2]
        folder = folder.removesuffix(".tar")
        if folder and folder.lower() not in SPLIT_NAMES:
            return self._names.of_synset(folder)
        if SYNSET.fullmatch(self._path.stem):
            return self._names.of_synset(self._path.stem)
        synset = self._answers.get(truth.stem(entry.name))
        return None if synset is None else self._names.of_synset(synset)

    @cached_property
    def _answers(self) -> Mapping[str, str]:
        return truth.near(self._path.parent, self._names) or {}


def open_path(path: Path, request: Request) -> TarSource:
    """Opens an archive of pictures by its index.

    Raises:
        DataError: the task does not read pictures; not a tar archive; damaged; no pictures in it.
    """
    content = file_content(str(path), request)
    if content.kind != "image":
        raise DataError(
            str(path), "archives are read for pictures alone, and the task reads text: unpack it"
        )
    index = tar_index(path, IMAGE_SUFFIXES, request.cache)
    if not len(index):
        raise DataError(str(path), f"holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return TarSource(path, index, class_names.near(path.parent), request)
