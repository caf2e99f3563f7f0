"""What the outputs of ONNX detectors mean: a few named decoders with settings.

Each gives scores ``[n, k, classes]`` and boxes ``[n, k, 4]`` (left, top, right, bottom, as parts of
the input's sides).

- ``boxes``: two outputs, ``boxes`` ``[n, k, 4]`` and ``scores`` ``[n, k, c]`` (SSD, DETR).
- ``rows``: one output ``[n, k, 4 + c]`` or ``[n, 4 + c, k]`` (YOLO families).
- ``cells``: one output ``[n, 5 + c, h, w]`` with one box a cell: objectness, offset of the centre,
  sides, classes (FastestDet).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.activations import sigmoid, softmax

Array: TypeAlias = NDArray[np.float32]


class Decoder(Protocol):
    """Decodes a batch's outputs."""

    def __call__(self, outputs: Mapping[str, Array], size: tuple[int, int]) -> tuple[Array, Array]:
        """Scores and boxes.

        Args:
            outputs: of the model by name.
            size: ``(width, height)`` of the input in pixels.
        """
        ...


def _plain(values: Array) -> Array:
    return values


_ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "none": _plain, "sigmoid": sigmoid, "softmax": softmax, "tanh": np.tanh,
}  # fmt: skip
_FORMS = ("corners", "centre")
_UNITS = ("parts", "pixels")
_BACKGROUNDS = ("none", "first", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """Boxes and scores as two outputs.

    Attributes:
        boxes, scores: names of the outputs.
        form: ``corners`` (left, top, right, bottom) or ``centre`` (x, y, width, height).
        unit: ``parts`` of the input's sides or ``pixels`` of the input.
        activation: of the scores: ``none``, ``sigmoid`` or ``softmax``.
        background: where the scores have a place for "no object": ``none``, ``first``, ``last``.
    """

    boxes: str = "boxes"
    scores: str = "scores"
    form: Literal["corners", "centre"] = "corners"
    unit: Literal["parts", "pixels"] = "parts"
    activation: str = "none"
    background: Literal["none", "first", "last"] = "none"

    def problems(self, outputs: Sequence[str]) -> list[str]:
        """One sentence a fault."""
        return [
            *_unnamed(outputs, self.boxes, self.scores),
            *_choices(self, form=_FORMS, unit=_UNITS, background=_BACKGROUNDS),
            *_choices(self, activation=("none", "sigmoid", "softmax")),
        ]

    def __call__(self, outputs: Mapping[str, Array], size: tuple[int, int]) -> tuple[Array, Array]:
        scores = _ACTIVATIONS[self.activation](outputs[self.scores])
        if self.background == "first":
            scores = scores[..., 1:]
        elif self.background == "last":
            scores = scores[..., :-1]
        return scores, _corners(outputs[self.boxes], self.form, self.unit, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One output with a row of numbers for each box.

    Attributes:
        output: its name; empty for the only one.
        transposed: whether it is ``[n, numbers, k]`` instead of ``[n, k, numbers]``.
        objectness: whether an objectness score follows the four sides.
        form, unit: of the boxes, as for ``boxes``.
        activation: of objectness and classes.
    """

    output: str = ""
    transposed: bool = False
    objectness: bool = False
    form: Literal["corners", "centre"] = "centre"
    unit: Literal["parts", "pixels"] = "pixels"
    activation: str = "none"

    def problems(self, outputs: Sequence[str]) -> list[str]:
        """One sentence a fault."""
        return [
            *_unnamed(outputs, self.output),
            *_choices(self, form=_FORMS, unit=_UNITS, activation=("none", "sigmoid")),
        ]

    def __call__(self, outputs: Mapping[str, Array], size: tuple[int, int]) -> tuple[Array, Array]:
        rows = _only(outputs, self.output)
        if self.transposed:
            rows = rows.swapaxes(1, 2)
        scores = _ACTIVATIONS[self.activation](rows[..., 4:])
        if self.objectness:
            scores = scores[..., :1] * scores[..., 1:]
        return scores, _corners(rows[..., :4], self.form, self.unit, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One output with one box a cell of a grid.

    The likeliest class of a cell is taken: objectness to the power ``weights[0]`` times its
    probability to the power ``weights[1]`` is its score.

    Attributes:
        output: its name; empty for the only one.
        offsets: function of the centre's offset from the cell's corner, in cells.
        sides: function of width and height, as parts of the input's sides.
        activation: of objectness and classes.
        weights: exponents of objectness and class.
    """

    output: str = ""
    offsets: str = "tanh"
    sides: str = "sigmoid"
    activation: str = "none"
    weights: tuple[float, float] = (0.6, 0.4)

    def problems(self, outputs: Sequence[str]) -> list[str]:
        """One sentence a fault."""
        found = [
            *_unnamed(outputs, self.output),
            *_choices(self, activation=("none", "sigmoid")),
            *_choices(self, offsets=("none", "sigmoid", "tanh"), sides=("none", "sigmoid")),
        ]
        weights = self.weights
        if len(weights) != 2 or not all(isinstance(w, int | float) and w >= 0 for w in weights):
            found.append(f"weights must be two numbers of at least 0, not {list(weights)!r}")
        return found

    def __call__(self, outputs: Mapping[str, Array], size: tuple[int, int]) -> tuple[Array, Array]:
        grid = _only(outputs, self.output)
        count, numbers, rows, columns = grid.shape
        flat = grid.reshape(count, numbers, rows * columns).swapaxes(1, 2)
        known = _ACTIVATIONS[self.activation](flat[..., [0, *range(5, numbers)]])
        classes = known[..., 1:]
        best = classes.argmax(axis=-1)[..., None]
        there = known[..., :1] ** self.weights[0]
        top = np.take_along_axis(classes, best, axis=-1) ** self.weights[1]
        scores = np.zeros_like(classes)
        np.put_along_axis(scores, best, there * top, axis=-1)
        offset = _ACTIVATIONS[self.offsets](flat[..., 1:3])
        sides = _ACTIVATIONS[self.sides](flat[..., 3:5])
        down, across = np.divmod(np.arange(rows * columns, dtype=np.float32), columns)
        centre = (np.stack([across, down], axis=1) + offset) / np.array([columns, rows], np.float32)
        return scores, np.concatenate([centre - sides / 2, centre + sides / 2], axis=-1)


_KINDS: Mapping[str, type[Boxes] | type[Rows] | type[Cells]] = {
    "boxes": Boxes, "rows": Rows, "cells": Cells,
}  # fmt: skip


def make_decoder(settings: Mapping[str, Any], outputs: Sequence[str]) -> tuple[Any, list[str]]:
    """The decoder of an adapter's table, and what is wrong with it, one sentence a fault.

    Args:
        settings: ``kind`` and the settings of that kind.
        outputs: names of the model's outputs.
    """
    kind = _KINDS.get(str(settings.get("kind")))
    if kind is None:
        return None, [
            f"decoder kind must be one of {', '.join(_KINDS)}, not {settings.get('kind')!r}"
        ]
    known = {item.name: item for item in fields(kind)}
    problems = [
        f"the decoder {settings['kind']!r} has no setting {name!r}; known: {', '.join(known)}"
        for name in settings
        if name != "kind" and name not in known
    ]
    given: dict[str, Any] = {}
    for name, value in settings.items():
        if name in known:
            given[name] = tuple(value) if isinstance(value, list) else value
            if isinstance(known[name].default, bool) is not isinstance(given[name], bool):
                problems.append(f"{name} of the decoder must be true or false, not {value!r}")
    if problems:
        return None, problems
    decoder = kind(**given)
    return decoder, decoder.problems(outputs)


def _only(outputs: Mapping[str, Array], name: str) -> Array:
    return outputs[name] if name else next(iter(outputs.values()))


def _unnamed(outputs: Sequence[str], *names: str) -> list[str]:
    found = [
        f"the model has no output {name!r}; it has: {', '.join(outputs)}"
        for name in names
        if name and name not in outputs
    ]
    if "" in names and len(outputs) > 1:
        found.append(f"output must be one of {', '.join(outputs)}: the model has several")
    return found


def _choices(subject: object, **allowed: Sequence[str]) -> list[str]:
    return [
        f"{name} must be one of {', '.join(values)}, not {getattr(subject, name)!r}"
        for name, values in allowed.items()
        if getattr(subject, name) not in values
    ]


def _corners(boxes: Array, form: str, unit: str, size: tuple[int, int]) -> Array:
    if form == "centre":
        centre, sides = boxes[..., :2], boxes[..., 2:4]
        boxes = np.concatenate([centre - sides / 2, centre + sides / 2], axis=-1)
    if unit == "pixels":
        scale: Array = np.array((*size, *size), np.float32)
        return boxes / scale
    return boxes
