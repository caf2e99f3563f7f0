"""Boxes of a picture, read in one pass over its file in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.windows import Box
from anysize.readers.orientation import oriented, stored_box, transposed
from anysize.readers.rows import FileRows, Rows, rows_for
from anysize.readers.strips import StripReader


def checked(boxes: Iterable[Box], extent: tuple[int, int], origin: str) -> Iterator[Box]:
    """The boxes as they are.

    Raises:
        ValueError: one is empty, beyond the picture, or above the one before.
    """
    width, height = extent
    top = 0
    for box in boxes:
        if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
            raise ValueError(f"{origin}: {box} is not inside the picture of {width}x{height}")
        if box.top < top:
            raise ValueError(f"{origin}: {box} is above the box before it, which began at {top}")
        top = box.top
        yield box


def from_strips(reader: StripReader, boxes: Iterator[Box]) -> Iterator[NDArray[np.uint8]]:
    """Boxes of a picture that is stored as it is displayed, decoded no further than they need."""
    blocks = reader.blocks()
    rows: Rows | None = None
    decoded = 0
    try:
        for box in boxes:
            rows = _ample(rows, reader, box, decoded)
            while decoded < box.bottom:
                top, left, block = next(blocks)
                unseen = max(box.top - top, 0)
                if unseen < len(block):
                    rows.write(top + unseen, left, block[unseen:])
                if left + block.shape[1] == reader.width:
                    decoded = top + len(block)
            yield rows.read(box)
    finally:
        if rows is not None:
            rows.close()


def stored_rows(reader: StripReader) -> FileRows:
    """All rows of a picture, decoded into a file."""
    rows = FileRows(reader.width, reader.height, reader.chunk)
    try:
        for top, left, block in reader.blocks():
            rows.write(top, left, block)
    except BaseException:
        rows.close()
        raise
    return rows


def from_rows(
    rows: FileRows, extent: tuple[int, int], orientation: int, boxes: Iterator[Box]
) -> Iterator[NDArray[np.uint8]]:
    """Boxes of a picture whose rows are in a file.

    The rows that are displayed first may be stored last, or be columns.

    Args:
        rows: closed at the end.
        extent: ``(width, height)`` as stored.
        orientation: EXIF value 1 to 8.
        boxes: as displayed.
    """
    try:
        place = stored_box(orientation, transposed(extent, orientation))
        for box in boxes:
            yield oriented(rows.read(place(box)), orientation)
    finally:
        rows.close()


def from_pixels(pixels: NDArray[Any], boxes: Iterator[Box]) -> Iterator[NDArray[np.uint8]]:
    """Boxes of a picture in memory, as displayed."""
    for box in boxes:
        yield pixels[box.top : box.bottom, box.left : box.right].copy()


def _ample(rows: Rows | None, reader: StripReader, box: Box, decoded: int) -> Rows:
    """Rows with room for the box and the strip that may overhang it."""
    capacity = min(box.height + reader.rows, reader.height)
    if rows is not None and rows.capacity >= capacity:
        return rows
    larger = rows_for(reader.width, capacity, reader.chunk)
    if rows is not None:
        kept = Box(0, max(box.top, decoded - rows.capacity), reader.width, decoded)
        if kept.height > 0:
            larger.write(kept.top, kept.left, rows.read(kept))
        rows.close()
    return larger
