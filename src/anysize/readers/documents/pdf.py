"""PDF: the text layer, page by page, read by a process of its own with a limit to its memory.

Readers of PDF files in Python can take gigabytes or loop for ever on one damaged page (pypdf#2790,
pypdf#3167). Here that page alone is lost: its process is ended, and another one goes on behind it.
Which pages were not read, and which are pictures without text, is noted.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.documents.parts import Part, Place, Remark
from anysize.readers.documents.sizes import file_size, pieces_of

PROVIDES = ("pdf",)
KEPT = True

MEMORY = 1 << 30
"""Bytes that the process may take (1 GiB of addresses)."""
PATIENCE = 60.0
"""Seconds that one page may take, or the opening of the file."""
MOST_LOST = 50
"""Pages that may cost their process its life before the rest is given up."""
_LONGEST_LINE = 1 << 28
_SHOWN = 5
WORKER = Path(__file__).with_name("pdf_worker.py")


def size_hint(path: Path) -> int:
    """The bytes of the file: pages are packed, but fonts and pictures take room too."""
    return file_size(path)


def parts(path: Path, encoding: str) -> Iterator[Part]:
    """See ``documents.parts.Format``.

    Raises:
        DataError: it is not a PDF, is damaged as a whole, is encrypted, or has no text at all.
        MissingExtraError: pypdf is not installed.
    """
    if find_spec("pypdf") is None:
        raise MissingExtraError("pypdf", "documents")
    head = next(pieces_of(path, 1024), b"")
    if not head:
        raise DataError(str(path), "is empty: it has no bytes")
    if b"%PDF" not in head:
        raise DataError(str(path), f"is not a PDF: it begins with {head[:8]!r}")
    pages = _Pages(path)
    begun = False
    for number, text in pages.texts():
        if begun:
            yield "\n\n"
        yield Place({"page": number})
        yield text
        begun = True
    yield Remark(notes=tuple(pages.notes()), counts=pages.counts())
    if not begun:
        raise DataError(str(path), pages.why_nothing())


class _Pages:
    """The pages of a file, and what became of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0
        self.read = 0
        self.scanned: list[int] = []
        self.problems: dict[int, str] = {}

    def texts(self) -> Iterator[tuple[int, str]]:
        """Page numbers from 1, and the texts of those that have any."""
        page = 1
        for _ in range(MOST_LOST):
            for found in self._run(page):
                page = int(found["page"]) + 1
                text = str(found.get("text", "")).strip("\n")
                if "problem" in found:
                    self.problems[page - 1] = str(found["problem"])
                elif text.strip():
                    self.read += 1
                    yield page - 1, text
                elif found.get("pictures"):
                    self.scanned.append(page - 1)
                else:
                    self.read += 1  # it is empty
            if page > self.count:
                return
            # The process has ended, or was, on this page.
            self.problems.setdefault(page, "its reader was ended: it crashed or took too long")
            page += 1
        for rest in range(page, self.count + 1):
            self.problems[rest] = f"not tried: {MOST_LOST} pages before it ended their reader"

    def _run(self, first: int) -> Iterator[dict[str, Any]]:
        """What one process says of the pages from the first.

        Raises:
            DataError: the file cannot be opened.
        """
        command = [sys.executable, "-P", str(WORKER), str(self._path), str(first), str(MEMORY)]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                lines = _lines(process)
                opening = next(lines, None)
                if opening is None:
                    raise DataError(
                        str(self._path),
                        f"cannot be opened within {PATIENCE:.0f} seconds and {MEMORY >> 20} MiB: "
                        "it is damaged",
                    )
                if "error" in opening:
                    raise DataError(str(self._path), _opening_problem(opening))
                self.count = int(opening["pages"])
                yield from lines
            finally:
                process.kill()

    def counts(self) -> dict[str, int]:
        """How many pages there are, and how many were read."""
        found = {"pages": self.count, "pages_read": self.read}
        if self.scanned:
            found["pages_without_text"] = len(self.scanned)
        return found

    def notes(self) -> Iterator[str]:
        """Pages that were not read, with the reason."""
        by_problem: dict[str, list[int]] = {}
        for page, problem in self.problems.items():
            by_problem.setdefault(problem, []).append(page)
        for problem, pages in by_problem.items():
            yield f"{_named(pages)} of {self.count} could not be read: {problem}"
        if self.scanned:
            yield (
                f"{_named(self.scanned)} of {self.count} were not read: they are pictures without "
                "a text layer (scanned); add one first (ocrmypdf)"
            )

    def why_nothing(self) -> str:
        """The problem of a file without any text."""
        if not self.count:
            return "has no pages"
        reasons = "; ".join(self.notes())
        return f"has no text on its {self.count} pages" + (f": {reasons}" if reasons else "")


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Lines of JSON as they come; ends where none comes in time, or one is too long."""
    assert process.stdout is not None
    out = process.stdout.fileno()
    held = bytearray()
    deadline = time.monotonic() + PATIENCE
    while True:
        ready, _, _ = select.select([out], [], [], max(deadline - time.monotonic(), 0))
        data = os.read(out, 1 << 20) if ready else b""
        if not data or len(held) > _LONGEST_LINE:
            return
        held += data
        if b"\n" not in data:
            continue
        *whole, rest = held.split(b"\n")
        held = bytearray(rest)
        for line in whole:
            yield json.loads(line)
        deadline = time.monotonic() + PATIENCE  # time that the caller took does not count


def _opening_problem(opening: dict[str, Any]) -> str:
    kind, words = opening["kind"], opening["error"]
    if kind == "PermissionError":
        return f"{words}: write it without one (qpdf --decrypt --password=…)"
    if kind == "DependencyError":
        return f"is encrypted in a way that needs another package: {words}"
    if kind == "MemoryError":
        return f"takes more than {MEMORY >> 20} MiB to open: it is damaged"
    return f"is damaged, or no PDF: {words}"


def _named(pages: Sequence[int]) -> str:
    shown = ", ".join(map(str, pages[:_SHOWN])) + (", …" if len(pages) > _SHOWN else "")
    return f"{len(pages)} page{'s' if len(pages) > 1 else ''} ({shown})"
