"""Boxes with names, drawn on pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.captions import font_for, pillow
from anysize.augmentation.operations import Pixels

_COLOURS = (
    (230, 57, 70), (29, 132, 181), (42, 157, 84), (244, 162, 40), (131, 56, 176), (0, 150, 150),
    (200, 60, 140), (110, 110, 20),
)  # fmt: skip
_IGNORED = (110, 110, 110)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One box to be drawn.

    Attributes:
        box: left, top, right, bottom in pixels of the picture.
        name: written into its corner; empty writes nothing.
        place: of its class, for the colour; below 0 draws it grey, as what is ignored.
    """

    box: tuple[float, float, float, float]
    name: str = ""
    place: int = 0


def with_boxes(
    pixels: Pixels, boxes: Sequence[Drawn], *, text: int = 11, line: int | None = None
) -> Pixels:
    """The picture with boxes on it.

    Args:
        pixels: uint8 ``[height, width, 3]``.
        boxes: what is drawn, the first at the bottom.
        text: height of names, in pixels.
        line: thickness of boxes, in pixels; None derives it from the picture's size.
    """
    found = pillow()
    picture = found.Image.fromarray(np.ascontiguousarray(pixels))
    pen = found.ImageDraw.Draw(picture)
    thick = max(round(max(pixels.shape[:2]) / 160), 1) if line is None else line
    for each in boxes:
        colour = _COLOURS[each.place % len(_COLOURS)] if each.place >= 0 else _IGNORED
        left, top, right, bottom = each.box
        right, bottom = max(right - 1, left), max(bottom - 1, top)
        pen.rectangle((left, top, right, bottom), outline=colour, width=thick)
        if each.name:
            font = font_for(each.name, text)
            across, down = pen.textbbox((0, 0), each.name, font=font)[2:]
            high = max(top - down - 2, 0.0)
            pen.rectangle((left, high, left + across + 3, high + down + 2), fill=colour)
            pen.text((left + 2, high), each.name, fill=(255, 255, 255), font=font)
    drawn: NDArray[np.uint8] = np.asarray(picture)
    return drawn
