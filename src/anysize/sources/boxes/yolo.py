"""YOLO text annotations: ``class x y width height`` a line, in parts of the picture's sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import number, shown, text
from anysize.sources.boxes.described import Box, Described, corners

# Rounding in the files moves boxes over the border by a little.
_TOLERANCE = 0.01


def read_yolo(path: Path, names: Mapping[int, str] | None, *, keypoints: bool = False) -> Described:
    """What one label file says; what is wrong with it is in ``problem``.

    A line with more than four numbers after the class is the outline of an object
    (``x1 y1 x2 y2 …``), whose bounds are taken.

    Args:
        path: the file.
        names: of the classes by number; None calls them by their numbers.
        keypoints: the numbers behind the first four of a line are keypoints, not an outline.
    """
    origin = printable(str(path))
    try:
        lines = [line.split() for line in text(path)[0].splitlines()]
    except DataError as error:
        return Described(problem=error.problem, origin=origin)
    found, problems = [], []
    for place, words in enumerate(lines, start=1):
        if not words:
            continue
        label = _label(words[0], names)
        box = _bounds(words[1:], keypoints)
        wrong = label if label.startswith(_WRONG) else box
        if isinstance(box, str) or wrong is label:
            problems.append(f"line {place}: {str(wrong).removeprefix(_WRONG)}")
        else:
            found.append(Annotation(label, box))
    return Described(
        objects=() if problems else tuple(found),
        relative=True,
        problem="; ".join(problems[:3]) + (f"; … ({len(problems)} in all)" if problems[3:] else ""),
        origin=origin,
    )


# Before a sentence that is given instead of a name.
_WRONG = "\0"


def _label(word: str, names: Mapping[int, str] | None) -> str:
    value = number(word)
    if value is None or not value.is_integer():
        return f"{_WRONG}the class must be a whole number, not {shown(word)!r}"
    place = int(value)
    if names is None:
        return str(place)
    if place not in names:
        return f"{_WRONG}class {place} is unknown: there are names for {_range(names)}"
    return names[place]


def _bounds(words: Sequence[str], keypoints: bool) -> Box | str:
    values = [number(word) for word in words]
    if None in values:
        return "its numbers must be finite"
    sides = [value for value in values if value is not None]
    # A fifth number is a score, as detectors write them.
    if len(sides) in (4, 5) or (keypoints and len(sides) > 4):
        x, y, width, height = sides[:4]
        if width <= 0 or height <= 0:
            return f"width and height must be above 0, not {width:g} and {height:g}"
        box: Box | str = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(sides) >= 6 and len(sides) % 2 == 0:
        box = corners((min(sides[::2]), min(sides[1::2]), max(sides[::2]), max(sides[1::2])))
    else:
        return f"'class x y width height' was expected, but {len(sides)} numbers follow"
    if isinstance(box, str):
        return box
    if min(box) < -_TOLERANCE or max(box) > 1 + _TOLERANCE:
        return (
            f"the box {' '.join(map(shown, words[:4]))} is not inside the picture; values are "
            "parts of its sides, from 0 to 1"
        )
    return box


def read_names(entries: Any, origin: str) -> dict[int, str]:
    """Class names by number, from a list or a mapping; empty ones are none.

    Raises:
        DataError: neither of them, or names that are no words.
    """
    if isinstance(entries, Sequence) and not isinstance(entries, str):
        pairs: list[tuple[Any, Any]] = list(enumerate(entries))
    elif isinstance(entries, Mapping):
        pairs = list(entries.items())
    else:
        pairs = [(None, None)]
    found: dict[int, str] = {}
    for key, name in pairs:
        place = number(key)
        plain = isinstance(name, str | int | float | bool)
        if place is None or not place.is_integer() or not plain:
            raise DataError(
                origin, "'names' must be a list of class names, or a mapping from numbers to names"
            )
        words = printable(name.strip()) if isinstance(name, str) else shown(name)
        if words not in ("", "~", "null"):
            found[int(place)] = words
    return found


def _range(names: Mapping[int, str]) -> str:
    if not names:
        return "no class"
    if len(names) == max(names) + 1:
        return f"0 to {max(names)}"
    return ", ".join(map(str, list(names)[:20])) + (", …" if len(names) > 20 else "")
