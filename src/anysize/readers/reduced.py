"""Pictures read by region at a part of their size, for whoever needs them no finer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.readers.orientation import ORIENTATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """A picture at ``1 / factor`` of its size.

    Attributes:
        factor: pixels of the picture for one of these, along both sides.
        extent: ``(width, height)`` in its own pixels, rounded up or down.
        left, top: where it begins, in pixels of the picture; 0, or where one that is displayed
            turned was rounded, up to a pixel of its own beside it.
        picture: ``(width, height)`` of the picture.
        regions: as ``ImageField.regions``, in its own pixels.
    """

    factor: int
    extent: tuple[int, int]
    left: int
    top: int
    picture: tuple[int, int]
    regions: Callable[[Iterable[Box]], Iterator[NDArray[np.uint8]]]

    @classmethod
    def of(
        cls,
        extent: tuple[int, int],
        orientation: int,
        factor: int,
        own: tuple[int, int],
        regions: Callable[[Iterable[Box]], Iterator[NDArray[np.uint8]]],
    ) -> Reduced:
        """Of a picture that is displayed turned as ``orientation`` (EXIF) says.

        Args:
            extent: ``(width, height)`` of the picture as displayed.
            orientation: EXIF value 1 to 8.
            factor: see there.
            own: its extent at that part of the size.
            regions: see there.
        """
        _, rows, columns = ORIENTATIONS[orientation]
        # What was rounded is stored last.
        return cls(
            factor=factor,
            extent=own,
            left=extent[0] - own[0] * factor if columns else 0,
            top=extent[1] - own[1] * factor if rows else 0,
            picture=extent,
            regions=regions,
        )

    def box(self, box: Box) -> Box:
        """What a box shows of the picture, in the picture's pixels; all of it shows all."""
        sides = [
            (
                0 if first == 0 else max(first * self.factor + start, 0),
                whole if last == own else min(last * self.factor + start, whole),
            )
            for first, last, start, own, whole in (
                (box.left, box.right, self.left, self.extent[0], self.picture[0]),
                (box.top, box.bottom, self.top, self.extent[1], self.picture[1]),
            )
        ]
        (left, right), (top, bottom) = sides
        return Box(left, top, right, bottom)


@runtime_checkable
class Reducible(Protocol):
    """A picture that can be decoded at a part of its size."""

    def reduced(self, room: float) -> Reduced:
        """See `reduced`."""
        ...


def reduced(image: ImageField, room: float) -> Reduced:
    """A picture as coarse as it can be decoded and is still finer than needed.

    A JPEG is decoded at a half, a quarter or an eighth of its size; others as they are.

    Args:
        image: the picture.
        room: pixels of the picture for each that is needed.

    Raises:
        DataError: not a picture, or over the size limits.
    """
    if isinstance(image, Reducible):
        return image.reduced(room)
    return Reduced(
        factor=1, extent=image.extent, left=0, top=0, picture=image.extent, regions=image.regions
    )
