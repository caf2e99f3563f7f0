"""Small pictures kept decoded, so that only the first epoch pays for finding and decoding them."""

from __future__ import annotations

import dataclasses
import threading

from anysize.core.errors import DataError
from anysize.core.records import Record, Source, record_id
from anysize.readers.image import Image

LARGEST = 1 << 16
"""Bytes of the largest picture that is kept; decoding larger ones costs little beside a model."""

_RECORD = 2048


class KeptPictures:
    """A source that remembers its small pictures, within a bound.

    What does not fit any more is read from ``source`` each time. Reading is safe from several
    threads; two of them may read the same picture, once.

    Args:
        source: where the records come from.
        role: the field that is a picture.
        capacity: bytes that may be held.
    """

    def __init__(self, source: Source, role: str, capacity: int) -> None:
        self._source = source
        self._role = role
        self._free = capacity
        self._kept: dict[int, Record] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The source's."""
        return self._source.name

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        record = self._source[index]
        if self._free <= 0:
            return record
        try:
            image = record.image(self._role)
            width, height = image.extent
            size = 3 * width * height
            if size > LARGEST or (isinstance(image, Image) and image.pages > 1):
                return record
            pixels = image.resized(width, height)
        except DataError:
            return record  # whoever reads it says what is wrong, or reads over it
        fields = {**record.fields, self._role: Image.from_pixels(pixels, origin=record.id)}
        record = dataclasses.replace(record, fields=fields)
        with self._lock:
            if index not in self._kept and self._free >= size + _RECORD:
                self._kept[index] = record
                self._free -= size + _RECORD
        return record

    def record_id(self, index: int) -> str:
        """As the source gives it."""
        return record_id(self._source, index)

    def fingerprint(self) -> str:
        """The source's."""
        return self._source.fingerprint()


def worth(source: Source, role: str, most: int) -> int:
    """Bytes that keeping a source's pictures takes, at most ``most``; 0 where they are large.

    Judged by its first readable records.
    """
    sizes = []
    for index in range(min(len(source), 16)):
        try:
            width, height = source[index].image(role).extent
        except DataError:
            continue
        sizes.append(3 * width * height)
    small = [size for size in sizes if size <= LARGEST]
    if 2 * len(small) <= len(sizes) or not small:
        return 0
    return min(len(source) * (max(small) + _RECORD), most)
