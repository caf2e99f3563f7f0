"""Results drawn on their pictures: boxes, faces and labels, in bounded memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from anysize.augmentation.captions import pillow
from anysize.augmentation.drawing import Drawn, with_boxes
from anysize.augmentation.operations import Pixels
from anysize.core.errors import DataError
from anysize.core.files import write_bytes
from anysize.core.plurals import number_of
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.results.file_names import FileNames

LONGEST = 2000
"""Pixels of the longer side; larger pictures are drawn reduced."""

_QUALITY = 90
_MOST_BOXES = 2000


class Drawing:
    """Writes a picture for each result into a folder; of several pages the first.

    Args:
        folder: made where there is none.

    Attributes:
        drawn: how many there are.
        reduced: how many of them are smaller than the original.
        failures: how many could not be drawn.
        elsewhere: boxes on further pages of their pictures, which are not drawn.
    """

    def __init__(self, folder: Path) -> None:
        pillow()
        self.folder = folder
        self.drawn = self.reduced = self.failures = self.elsewhere = 0
        self._names = FileNames(".jpg", "picture")

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
        drawn, elsewhere = _drawn(pixels, result, (size[0] / width, size[1] / height))
        self.elsewhere += elsewhere
        picture = pillow().Image.fromarray(drawn)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_QUALITY)
        write_bytes(self.folder / self._names.of(name), buffer.getvalue(), durable=False)
        self.drawn += 1
        self.reduced += ratio < 1

    def words(self) -> Iterator[str]:
        """What was drawn, a sentence each."""
        yield f"{number_of(self.drawn, 'picture', 'pictures')} drawn in {self.folder}"
        if self.reduced:
            yield (
                f"{self.reduced} of them reduced to {LONGEST:,} pixels on the longer side; the "
                "boxes in the results are those of the whole picture"
            )
        if self.elsewhere:
            yield (
                f"not drawn: {self.elsewhere:,} on further pages, because the first page of a "
                "picture is drawn; the results have all of them"
            )
        if self.failures:
            yield f"{number_of(self.failures, 'picture', 'pictures')} could not be drawn"


def _drawn(pixels: Pixels, result: Result, scale: tuple[float, float]) -> tuple[Pixels, int]:
    """The first page with what is on it, and how much is on other pages."""
    text = max(12, min(pixels.shape[:2]) // 40)
    boxes: list[Drawn] = []
    elsewhere = 0
    for page, box, words in _boxes(result):
        if page > 1:
            elsewhere += 1
        elif len(boxes) < _MOST_BOXES:
            left, top, right, bottom = (value * scale[at % 2] for at, value in enumerate(box))
            place = _place(words.rpartition(" ")[0])
            boxes.append(Drawn(box=(left, top, right, bottom), name=words, place=place))
    if not boxes:
        boxes.append(Drawn(box=(0, 0, 0, 0), name=_headline(result, elsewhere), place=-1))
    return with_boxes(pixels, boxes, text=text, line=max(text // 6, 2)), elsewhere


def _boxes(result: Result) -> Iterator[tuple[int, list[float], str]]:
    """The page, from 1, the box and the caption of all that has a box.

    Objects of a detector, faces of a recogniser, regions of a large picture.
    """
    found = result.details.get("found", result.details.get("regions", result.prediction))
    for entry in found if isinstance(found, list) else []:
        box = entry.get("box", entry.get("core")) if isinstance(entry, Mapping) else None
        if box is None or len(box) != 4:
            continue
        name = entry.get("label", entry.get("name", "face"))
        score = entry.get("score", entry.get("similarity", entry.get("confidence", 0.0)))
        yield (
            int(entry.get("page", 1)),
            [float(value) for value in box],
            f"{name} {float(score):.2f}",
        )


def _headline(result: Result, elsewhere: int) -> str:
    if isinstance(result.prediction, str):
        sure = "" if result.score is None else f" {result.score:.2f}"
        return f"{result.prediction}{sure}"
    return "nothing found on this page" if elsewhere else "nothing found"


def _place(label: str) -> int:
    """A number of a label's own, for its colour."""
    return hashlib.blake2b(label.encode("utf-8", "replace"), digest_size=1).digest()[0]
