"""Results drawn on their pictures: boxes, faces and labels, in bounded memory."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anysize.augmentation.captions import font_for, pillow
from anysize.core.errors import DataError
from anysize.core.files import write_bytes
from anysize.core.records import Record
from anysize.core.results import Result

LONGEST = 2000
"""Pixels of the longer side; larger pictures are drawn reduced."""

_COLOURS = ("#e11d48", "#2563eb", "#16a34a", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
_QUALITY = 90
_LONGEST_NAME = 150
_MOST_BOXES = 2000


class Drawing:
    """Writes a picture for each result into a folder.

    Args:
        folder: made where there is none.

    Attributes:
        drawn: how many there are.
        reduced: how many of them are smaller than the original.
        failures: how many could not be drawn.
    """

    def __init__(self, folder: Path) -> None:
        pillow()
        self.folder = folder
        self.drawn = self.reduced = self.failures = 0
        self._taken: set[str] = set()

    def add(self, name: str, record: Record, result: Result) -> None:
        """Draws a result.

        Args:
            name: of the record in the results, which the file is called by.
            record: with a picture.
            result: what was predicted.

        Raises:
            OSError: the file cannot be written.
        """
        image = record.image("image")
        try:
            width, height = image.extent
            ratio = min(LONGEST / max(width, height), 1.0)
            size = max(round(width * ratio), 1), max(round(height * ratio), 1)
            pixels = image.resized(*size)
        except DataError:
            self.failures += 1
            return
        picture = pillow().Image.fromarray(pixels)
        _draw(picture, result, (size[0] / width, size[1] / height))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_QUALITY)
        write_bytes(self.folder / self._file(name), buffer.getvalue(), durable=False)
        self.drawn += 1
        self.reduced += ratio < 1

    def words(self) -> Iterator[str]:
        """What was drawn, a sentence each."""
        yield f"{self.drawn} pictures drawn in {self.folder}"
        if self.reduced:
            yield (
                f"{self.reduced} of them reduced to {LONGEST:,} pixels on the longer side; the "
                "boxes in the results are those of the whole picture"
            )
        if self.failures:
            yield f"{self.failures} pictures could not be drawn"

    def _file(self, name: str) -> str:
        """A file's name made of a record's; its folders become part of it."""
        plain = re.sub(r"[^\w.-]+", "_", name.replace("/", "__")).strip("._") or "picture"
        short = plain.encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore")
        if short != plain or f"{short}.jpg" in self._taken:
            digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4)
            short = f"{short}-{digest.hexdigest()}"
        # Only so many are compared with each other: what is held stays small.
        if len(self._taken) < 100_000:
            self._taken.add(f"{short}.jpg")
        return f"{short}.jpg"


def _draw(picture: Any, result: Result, scale: tuple[float, float]) -> None:
    pen = pillow().ImageDraw.Draw(picture)
    size = max(12, min(picture.size) // 40)
    boxes = list(_boxes(result))
    for box, words in boxes:
        colour = _colour(words.rpartition(" ")[0])
        left, top, right, bottom = (value * scale[place % 2] for place, value in enumerate(box))
        pen.rectangle(
            (left, top, max(right, left), max(bottom, top)), outline=colour, width=max(size // 6, 2)
        )
        _caption(pen, (left, max(top - size - 4, 0)), words, colour, size)
    if not boxes:
        _caption(pen, (0, 0), _headline(result), "#111827", size)


def _caption(pen: Any, place: tuple[float, float], words: str, colour: str, size: int) -> None:
    font = font_for(words, size)
    pen.rectangle(pen.textbbox(place, words, font=font), fill=colour)
    pen.text(place, words, fill="white", font=font)


def _boxes(result: Result) -> Iterator[tuple[list[float], str]]:
    """What has a box: objects of a detector, faces of a recogniser, regions of a large picture."""
    found = result.details.get("found", result.details.get("regions", result.prediction))
    for entry in (found if isinstance(found, list) else [])[:_MOST_BOXES]:
        box = entry.get("box", entry.get("core")) if isinstance(entry, Mapping) else None
        if box is None or len(box) != 4:
            continue
        name = entry.get("label", entry.get("name", "face"))
        score = entry.get("score", entry.get("similarity", entry.get("confidence", 0.0)))
        yield [float(value) for value in box], f"{name} {float(score):.2f}"


def _headline(result: Result) -> str:
    if isinstance(result.prediction, str):
        sure = "" if result.score is None else f" {result.score:.2f}"
        return f"{result.prediction}{sure}"
    return "nothing found"


def _colour(label: str) -> str:
    digest = hashlib.blake2b(label.encode("utf-8", "replace"), digest_size=1).digest()[0]
    return _COLOURS[digest % len(_COLOURS)]
