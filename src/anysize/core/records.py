"""Records: what a source yields. A record holds lazy fields, never content."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.windows import Box, Span


@runtime_checkable
class TextField(Protocol):
    """Text that is read as a stream: a string in a table, or a whole file of any size."""

    @property
    def origin(self) -> str:
        """The file (with row and column where known) for messages."""
        ...

    @property
    def size_hint(self) -> int:
        """An upper bound of the length in characters, known without reading."""
        ...

    def chunks(self) -> Iterator[str]:
        """The text in order, in pieces of bounded size. May be called again.

        Raises:
            DataError: the text cannot be decoded; the message gives the byte offset.
        """
        ...

    def read(self, start: int, stop: int) -> str:
        """Characters ``[start, stop)``; less where the text ends earlier."""
        ...


@runtime_checkable
class ImageField(Protocol):
    """A picture that is read by region. Pixels are uint8 RGB arrays ``[height, width, 3]``."""

    @property
    def origin(self) -> str: ...

    @property
    def extent(self) -> tuple[int, int]:
        """``(width, height)`` in pixels as displayed (EXIF orientation applied).

        Raises:
            DataError: not a picture, or over the size limits.
        """
        ...

    def resized(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole picture, anti-aliased, to ``[height, width, 3]`` in bounded memory."""
        ...

    def regions(self, boxes: Iterable[Box]) -> Iterator[NDArray[np.uint8]]:
        """One array per box, in the order given, in one pass over the file.

        ``boxes`` must come with non-decreasing ``top`` (row by row of tiles); memory is
        bounded by the width of the picture times the height of one row of boxes.
        """
        ...


@runtime_checkable
class FeaturesField(Protocol):
    """Numbers: a vector, or a sequence of steps that each have a vector, read by region."""

    @property
    def origin(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """``(features,)`` or ``(steps, features)``, known without reading the numbers.

        Raises:
            DataError: not numbers in one or two dimensions.
        """
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What the features are called (columns of a table), in order; empty where unknown."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Elements ``[start, stop)`` of the first axis.

        Raises:
            DataError: they cannot be read, or are not finite.
        """
        ...


class AudioHeader(Protocol):
    """What is known of a recording before it is decoded."""

    @property
    def rate(self) -> int:
        """Samples a second, of each channel."""
        ...

    @property
    def channels(self) -> int: ...

    @property
    def samples(self) -> int | None:
        """Of each channel, as the file claims; None where it does not say."""
        ...

    @property
    def kind(self) -> str:
        """The format, for people."""
        ...

    @property
    def encoding(self) -> str:
        """Of the samples, for people."""
        ...


@runtime_checkable
class AudioField(Protocol):
    """A recording that is read as a stream of samples of one channel, float32 from -1 to 1."""

    @property
    def origin(self) -> str: ...

    @property
    def header(self) -> AudioHeader:
        """What is known without decoding.

        Raises:
            DataError: not a recording, or over the limits.
        """
        ...

    def blocks(self, rate: int = 0) -> Generator[NDArray[np.float32], None, None]:
        """The samples in order, ``[n]``, in pieces of bounded size. May be called again.

        Closing it ends what decodes, where not all is read.

        Args:
            rate: samples a second; 0 is the recording's own.

        Raises:
            DataError: it is damaged, or holds nothing.
        """
        ...

    def stretches(self, spans: Iterable[Span], rate: int = 0) -> Iterator[NDArray[np.float32]]:
        """One array per span, in one pass; the spans' starts must not fall."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What the last whole pass showed."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many of what the last whole pass found; ``milliseconds`` for one."""
        ...


class Field(Protocol):
    """Content that is read when it is asked for; each modality knows how."""

    @property
    def origin(self) -> str:
        """The file (with row and column where known) for messages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing to learn from or to predict.

    A field may have methods ``notes() -> tuple[str, ...]`` and ``counts() -> Mapping[str, int]``:
    what reading it showed, asked for once after its last window and put on the receipt. One with
    these may have ``place(start, stop) -> Mapping[str, Any]``: on which page, in which chapter or
    section characters of it lie; whatever stretch of it a result names then says so too
    (``anysize.core.places``).

    Attributes:
        id: stable and unique within its source (a relative path, or ``file:row``).
        fields: lazy fields by role (``text``, ``image``, ``features``, …).
        target: the target as it is in the data (a label's name, or a tuple of
            ``anysize.core.objects.Annotation``), or None.
        values: other columns of the row, kept as strings.
    """

    id: str
    fields: Mapping[str, Field]
    target: Any = None
    values: Mapping[str, str] = field(default_factory=dict)

    def _field(self, role: str) -> Field:
        if role not in self.fields:
            raise DataError(
                self.id,
                f"has no {role}; it has {', '.join(self.fields) or 'nothing'}: give a table with a "
                f"column for it, or name the column with --columns {role}=NAME",
            )
        return self.fields[role]

    def text(self, role: str) -> TextField:
        """The field of that role, which must be text."""
        value = self._field(role)
        if not hasattr(value, "chunks"):
            raise TypeError(f"field {role!r} of record {self.id!r} is not text")
        return cast(TextField, value)

    def image(self, role: str) -> ImageField:
        """The field of that role, which must be a picture."""
        value = self._field(role)
        if not hasattr(value, "regions"):
            raise TypeError(f"field {role!r} of record {self.id!r} is not a picture")
        return cast(ImageField, value)

    def audio(self, role: str) -> AudioField:
        """The field of that role, which must be a recording."""
        value = self._field(role)
        if not hasattr(value, "stretches"):
            raise TypeError(f"field {role!r} of record {self.id!r} is not a recording")
        return cast(AudioField, value)

    def features(self, role: str) -> FeaturesField:
        """The field of that role, which must be numbers."""
        value = self._field(role)
        if not hasattr(value, "shape"):
            raise TypeError(f"field {role!r} of record {self.id!r} is not numbers")
        return cast(FeaturesField, value)


class Source(Protocol):
    """Finite and indexable; random access costs the same at every index.

    Safe to call from several threads.
    """

    @property
    def name(self) -> str:
        """What the user called it, for messages and receipts."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record:
        """Record ``index``.

        Raises:
            DataError: the row or file cannot be read; other records still can.
            IndexError: out of range.
        """
        ...

    def fingerprint(self) -> str:
        """Hex digest that changes when files, sizes or modification times change."""
        ...


def record_id(source: Source, index: int) -> str:
    """A record's id, also where the record cannot be read.

    A source with a method ``record_id(index)`` gives its own without reading the record.
    """
    own = getattr(source, "record_id", None)
    if own is not None:
        known: str = own(index)
        return known
    try:
        return source[index].id
    except DataError as error:
        return error.origin
