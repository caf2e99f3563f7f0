"""YOLO text annotations: ``class x y width height`` a line, in parts of the picture's sides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.sources.detection import fitted

_LARGEST = 1 << 24
# Rounding in the files moves boxes over the border by a little.
_TOLERANCE = 0.01


class YoloReader:
    """Makes the objects of a picture from its label file.

    Args:
        root: folder that notes are relative to.
        names: of the classes by number; None calls them by their numbers.
    """

    def __init__(self, root: Path, names: Mapping[int, str] | None) -> None:
        self._root = root
        self._names = names

    def __call__(self, picture: Path, note: bytes) -> tuple[Annotation, ...]:
        """The objects in the file that ``note`` names; none where it is empty.

        A line with more than four numbers after the class is the outline of an object
        (``x1 y1 x2 y2 …``), whose bounds are taken.

        Raises:
            DataError: the file or the picture cannot be read, or lines break the format; all
                are named.
        """
        if not note:
            return ()
        from anysize.readers.image import Image

        path = self._root / note.decode()
        lines = [line.split() for line in _text(path).splitlines()]
        if not any(lines):
            return ()
        width, height = Image(picture).extent
        found, problems = [], []
        for number, words in enumerate(lines, start=1):
            if not words:
                continue
            try:
                label = self._label(words[0])
                box = _bounds([float(word) for word in words[1:]])
            except ValueError as error:
                problems.append(f"line {number}: {error}")
                continue
            inside = fitted(box, 1, 1)
            if inside is None or any(
                abs(a - b) > _TOLERANCE for a, b in zip(box, inside, strict=True)
            ):
                problems.append(
                    f"line {number}: the box {' '.join(words[1:5])} is not inside the picture; "
                    "values are parts of its sides, from 0 to 1"
                )
                continue
            left, top, right, bottom = inside
            found.append(
                Annotation(label, (left * width, top * height, right * width, bottom * height))
            )
        if problems:
            raise DataError(str(path), "; ".join(problems))
        return tuple(found)

    def _label(self, word: str) -> str:
        try:
            number = int(word)
        except ValueError:
            raise ValueError(f"the class must be a whole number, not {word!r}") from None
        if self._names is None:
            return str(number)
        if number not in self._names:
            raise ValueError(
                f"class {number} is unknown: there are names for {_shown(self._names)}"
            )
        return self._names[number]


def read_names(entries: Any, origin: str) -> dict[int, str]:
    """Class names by number, from a list or a mapping.

    Raises:
        DataError: neither of them.
    """
    if isinstance(entries, Sequence) and not isinstance(entries, str):
        return {number: str(name) for number, name in enumerate(entries)}
    if isinstance(entries, Mapping):
        try:
            return {int(number): str(name) for number, name in entries.items()}
        except (TypeError, ValueError):
            pass
    raise DataError(origin, "'names' must be a list of class names, or a mapping from numbers")


def _bounds(values: Sequence[float]) -> tuple[float, float, float, float]:
    if not all(map(math.isfinite, values)):
        raise ValueError("its numbers must be finite")
    if len(values) in (4, 5):
        # A fifth number is a score, as detectors write them.
        x, y, width, height = values[:4]
        if width <= 0 or height <= 0:
            raise ValueError(f"width and height must be above 0, not {width:g} and {height:g}")
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) >= 6 and len(values) % 2 == 0:
        return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    raise ValueError(f"'class x y width height' was expected, but {len(values)} numbers follow")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(str(path), f"is larger than {_LARGEST >> 20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"is not UTF-8 at byte {error.start}") from None


def _shown(names: Mapping[int, str]) -> str:
    return f"0 to {max(names)}" if len(names) == max(names) + 1 else ", ".join(map(str, names))
