"""What annotations say of one picture: objects, the size that they are for, or what is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import number, shown

Box = tuple[float, float, float, float]

# A box may reach this far out of its picture: pixels, or this part of the side.
_PIXELS, _PART = 2.0, 0.01
# Sizes may differ by this many pixels: some tools count from 0.
_SIZE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What annotations say of one picture.

    Attributes:
        objects: their boxes as written, not yet checked against the picture.
        size: ``(width, height)`` of the picture as the annotations have it; None where they do not
            say.
        relative: whether the boxes are parts of the picture's sides, from 0 to 1.
        problem: why the picture cannot be used; empty where it can.
        origin: the file, with the entry where known, for messages.
    """

    objects: tuple[Annotation, ...] = ()
    size: tuple[float, float] | None = None
    relative: bool = False
    problem: str = ""
    origin: str = ""

    def pack(self) -> bytes:
        """As bytes, for ``unpack``."""
        rows = [[each.label, *each.box, each.crowd + 2 * each.difficult] for each in self.objects]
        fields = [rows, self.size, self.relative, self.problem, self.origin]
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, note: bytes) -> Described:
        """What ``pack`` gave."""
        rows, size, relative, problem, origin = json.loads(note)
        objects = tuple(
            Annotation(
                label, (left, top, right, bottom), crowd=bool(marks & 1), difficult=marks > 1
            )
            for label, left, top, right, bottom, marks in rows
        )
        return cls(
            objects=objects,
            size=None if size is None else (size[0], size[1]),
            relative=relative,
            problem=problem,
            origin=origin,
        )

    def within(self, extent: tuple[int, int]) -> tuple[Annotation, ...]:
        """The objects in pixels of the picture, clipped to it where they reach out by a little.

        Args:
            extent: ``(width, height)`` of the picture as displayed.

        Raises:
            DataError: ``problem``; another size than the annotations have; boxes outside.
        """
        self.refuse()
        if self.size is not None:
            self._compare(self.size, extent)
        width, height = extent
        scale = (float(width), float(height)) if self.relative else (1.0, 1.0)
        found, outside = [], []
        for each in self.objects:
            left, top, right, bottom = each.box
            box = (left * scale[0], top * scale[1], right * scale[0], bottom * scale[1])
            inside = _clipped(box, width, height)
            if inside is None:
                outside.append(f"{each.label} {_written(each.box)}")
            else:
                found.append(replace(each, box=inside))
        if outside:
            shown = ", ".join(outside[:3]) + (", …" if len(outside) > 3 else "")
            raise DataError(
                self.origin,
                f"{len(outside)} of {len(self.objects)} boxes are not inside the picture of "
                f"{width}x{height}: {shown}; correct them, or put the picture there that was "
                "annotated",
            )
        return tuple(found)

    def refuse(self) -> None:
        """Raises DataError where the picture cannot be used."""
        if self.problem:
            raise DataError(self.origin, self.problem)

    def _compare(self, size: tuple[float, float], extent: tuple[int, int]) -> None:
        if all(abs(a - b) <= _SIZE for a, b in zip(size, extent, strict=True)):
            return
        turned = all(abs(a - b) <= _SIZE for a, b in zip(size, extent[::-1], strict=True))
        remedy = (
            "it lies on its side: annotate the pictures as they are displayed"
            if turned
            else "the boxes are those of another picture, or of one of another size"
        )
        raise DataError(
            self.origin,
            f"is about a picture of {size[0]:g}x{size[1]:g}, but the picture has "
            f"{extent[0]}x{extent[1]} pixels; {remedy}",
        )


def corners(sides: Sequence[Any], *, from_sides: bool = False) -> Box | str:
    """Four values as a box, or the sentence that says what is wrong with them.

    Args:
        sides: left, top, right, bottom.
        from_sides: the last two are width and height.
    """
    if len(sides) != 4:
        return f"four numbers are needed, there are {len(sides)}"
    values = [number(side) for side in sides]
    left, top, right, bottom = (0.0 if value is None else value for value in values)
    if None in values:
        return "its four numbers must be finite, and no larger than a picture can be"
    if from_sides:
        if right <= 0 or bottom <= 0:
            return f"width and height must be above 0, not {right:g} and {bottom:g}"
        right, bottom = left + right, top + bottom
    if right <= left or bottom <= top:
        return (
            f"right and bottom must be beyond left and top, not {_written((left, top))} to "
            f"{_written((right, bottom))}"
        )
    return left, top, right, bottom


def _clipped(box: Box, width: int, height: int) -> Box | None:
    """The part inside the picture; None where the box reaches out of it by more than rounding."""
    across, down = max(_PIXELS, _PART * width), max(_PIXELS, _PART * height)
    left, top, right, bottom = box
    if left < -across or top < -down or right > width + across or bottom > height + down:
        return None
    left, top = max(left, 0.0), max(top, 0.0)
    right, bottom = min(right, float(width)), min(bottom, float(height))
    return (left, top, right, bottom) if right > left and bottom > top else None


def _written(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def together(
    found: Sequence[Annotation | str], origin: str, *, size: tuple[float, float] | None = None
) -> Described:
    """What is said of one picture, by its objects in order or what is wrong with them.

    Args:
        found: of each object.
        origin: for messages.
        size: of the picture, as the annotations have it.
    """
    problems = [f"object {place}: {one}" for place, one in enumerate(found) if isinstance(one, str)]
    more = f"; … ({len(problems)} in all)" if problems[3:] else ""
    objects = tuple(one for one in found if isinstance(one, Annotation))
    return Described(
        objects=() if problems else objects,
        size=size,
        problem="; ".join(problems[:3]) + more,
        origin=origin,
    )


def named_object(label: Any, box: Box | str) -> Annotation | str:
    """An object; the sentence that says what is wrong with it where it has no label or no box."""
    if isinstance(label, int | float) and not isinstance(label, bool):
        label = shown(label)
    if not isinstance(label, str) or not label.strip():
        return "it has no label"
    return box if isinstance(box, str) else Annotation(printable(label.strip()), box)
