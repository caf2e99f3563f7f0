"""Lines of transcripts: what each says of which recording, and what cannot be used of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from anysize.core.errors import DataError
from anysize.readers.encodings import mark_of, printable
from anysize.sources.columns import Request
from anysize.sources.rows import CELL_LIMIT

Line: TypeAlias = tuple[str, str]
"""The name of a recording, as it is written, and its text."""

_EXAMPLES = 5


@dataclass(kw_only=True)
class LeftOut:
    """What cannot be used, counted by what it is, with a few examples.

    Attributes:
        missing: lines whose recording is not there.
        empty: recordings whose line has no text.
        again: lines of recordings that have a text already.
        broken: lines that cannot be decoded, or have no name and text.
    """

    missing: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, example: str) -> None:
        """Counts one, and keeps its name while there are few."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        examples: list[str] = getattr(self, kind)
        if len(examples) < _EXAMPLES:
            examples.append(example)

    def tell(self, origin: str, request: Request) -> None:
        """Says what there is of each kind."""
        for kind, what, remedy in (
            ("missing", "lines of transcripts name recordings that are not there", ""),
            ("empty", "recordings have a line without a text", ""),
            ("again", "lines are of recordings that have a text already", ""),
            (
                "broken",
                f"lines of transcripts cannot be decoded as {request.encoding}, or have no name "
                "and text",
                "name the encoding with --encoding",
            ),
        ):
            if count := self.counts.get(kind, 0):
                request.findings.add(
                    f"transcripts-{kind}",
                    f"{origin}: {what}; they are left out",
                    count=count,
                    unit="recordings" if kind == "empty" else "lines",
                    examples=getattr(self, kind),
                    remedy=remedy,
                )


def read_lines(path: Path, encoding: str, left: LeftOut) -> Iterator[str]:
    """The lines of a text file that are not blank, without blanks around them.

    Raises:
        DataError: it cannot be read, or a line is far too long.
    """
    try:
        with path.open("rb") as file:
            head = mark_of(file.read(4))
            file.seek(len(head[0]) if head else 0)
            if head is not None and not head[1].startswith("utf-8"):
                raise DataError(str(path), f"is written in {head[1]}; write it as UTF-8")
            for number, raw in enumerate(iter(lambda: file.readline(CELL_LIMIT + 1), b""), 1):
                if len(raw) > CELL_LIMIT:
                    raise DataError(str(path), f"line {number} has more than {CELL_LIMIT:,} bytes")
                try:
                    line = raw.decode(encoding).strip()
                except UnicodeDecodeError:
                    left.add("broken", f"{printable(path.name)} line {number}")
                    continue
                if line:
                    yield line
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None


class Clips:
    """Recordings of a data set, found by what transcripts call them.

    Args:
        root: folder that paths are relative to.
        suffixes: of recordings.
    """

    def __init__(self, root: Path, suffixes: frozenset[str]) -> None:
        self._root = root
        self.suffixes = suffixes
        plain = sorted(suffixes)
        self._ends = ["", *plain, *(end.upper() for end in plain)]

    def find(self, folder: str, name: str) -> str | None:
        """The path of a recording, relative to the root; None where there is none.

        Args:
            folder: that is looked into, relative to the root; empty for the root itself.
            name: with or without the suffix.
        """
        name = name.strip().replace("\\", "/")
        if not name or "\0" in name or name.startswith("/") or ".." in name.split("/"):
            return None
        base = f"{folder}/{name}" if folder else name
        for place, end in enumerate(self._ends):
            path = base + end
            known = end or Path(path).suffix.lower() in self.suffixes
            if known and (self._root / path).is_file():
                # Nearly all have the suffix of the one before.
                self._ends.insert(0, self._ends.pop(place))
                return path
        return None
