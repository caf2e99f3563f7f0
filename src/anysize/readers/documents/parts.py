"""What reading a document gives: pieces of text, places, and remarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

PIECE = 1 << 16
"""Characters of one piece at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the text that follows lies.

    Attributes:
        entries: ``{"page": 7}``, ``{"chapter": "The Whale"}``, ``{"section": "Results"}``; empty
            where nothing is known of it.
    """

    entries: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remark:
    """What there is to say of a document, once.

    Attributes:
        notes: plain sentences for the receipt: what was left out, repaired or could not be read.
        counts: how many of what the document holds (``pages``, ``pages_read``).
    """

    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


Part: TypeAlias = str | Place | Remark


class Format(Protocol):
    """A module of this room."""

    def parts(self, path: Path, encoding: str) -> Iterator[Part]:
        """The document from its beginning to its end, in bounded memory.

        Args:
            path: of the file.
            encoding: that the user names; formats that have their own do without it.

        Raises:
            DataError: it cannot be read at all: damaged, encrypted, or something else.
            MissingExtraError: a library is not installed.
        """
        ...

    def size_hint(self, path: Path) -> int:
        """About how many characters there are at most, known without reading.

        Raises:
            DataError: the file cannot be read.
        """
        ...
