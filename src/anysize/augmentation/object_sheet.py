"""Contact sheets of pictures with objects: as they are, and as training sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anysize.augmentation.drawing import Drawn, with_boxes
from anysize.augmentation.operations import Pixels
from anysize.augmentation.sheet import Sheet, fitted, laid_out
from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.core.protocols import Preprocess
from anysize.core.records import Record, Source
from anysize.readers.image import Image
from anysize.readers.resize import resize

_COLUMNS = 4


def object_sheet(
    source: Source, labels: Sequence[str], *, count: int = 16, side: int = 240
) -> Sheet:
    """Pictures and the boxes of their objects; crowds and difficult ones are grey.

    Args:
        source: pictures with objects; those shown are spread evenly over it.
        labels: the classes, in the order of their colours.
        count: pictures at most.
        side: largest side of a picture on the sheet, in pixels.

    Raises:
        DataError: none of the pictures can be read.
    """
    cells: list[Pixels] = []
    names: list[str] = []
    failures: list[str] = []
    for record in _chosen(source, count, failures):
        try:
            cells.append(_as_it_is(record, labels, side))
            names.append(record.id)
        except DataError as error:
            failures.append(str(error))
    if not cells:
        raise DataError(source.name, "; ".join(failures[:5]) or "has no pictures")
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    captions = [names[start : start + _COLUMNS] for start in range(0, len(names), _COLUMNS)]
    pixels = laid_out(rows, captions, [], side)
    return Sheet(pixels=pixels, records=tuple(names), failures=tuple(failures))


def training_sheet(
    source: Source,
    labels: Sequence[str],
    preprocess: Preprocess,
    *,
    count: int = 6,
    draws: int = 6,
    side: int = 160,
    tolerant: bool = False,
) -> Sheet:
    """One row a record: the picture with its boxes, then the model's input in each of some epochs.

    Of a picture that is read by tiles the shrunk whole is shown. What is ignored in training (cut
    off by the border, too small, a crowd) is grey.

    Args:
        source: pictures with objects; those shown are spread evenly over it.
        labels: the classes, in the order of the model's outputs.
        preprocess: of the task, with an augmentation.
        count: rows at most.
        draws: epochs shown.
        side: largest side of a picture on the sheet, in pixels.
        tolerant: read damaged pictures as far as possible.

    Raises:
        DataError: none of the pictures can be read.
    """
    rows: list[list[Pixels]] = []
    names: list[str] = []
    failures: list[str] = []
    for record in _chosen(source, count, failures):
        image = record.image("image")
        if tolerant and isinstance(image, Image):
            image.tolerant()
        try:
            row = [_as_it_is(record, labels, side)]
            row += [_as_trained(record, labels, preprocess, epoch, side) for epoch in range(draws)]
            rows.append(row)
            names.append(record.id)
        except DataError as error:
            failures.append(str(error))
    if not rows:
        raise DataError(source.name, "; ".join(failures[:5]) or "has no pictures")
    heads = ["as it is", *(f"epoch {epoch}" for epoch in range(draws))]
    pixels = laid_out(rows, [[name] for name in names], heads, side)
    return Sheet(pixels=pixels, records=tuple(names), failures=tuple(failures))


def _chosen(source: Source, count: int, failures: list[str]) -> list[Record]:
    found = []
    shown = min(count, len(source))
    for place in range(shown):
        try:
            found.append(source[place * len(source) // shown])
        except DataError as error:
            failures.append(str(error))
    return found


def _as_it_is(record: Record, labels: Sequence[str], side: int) -> Pixels:
    image = record.image("image")
    width, height = fitted(image.extent, side)
    across, down = width / image.extent[0], height / image.extent[1]
    target = record.target if isinstance(record.target, tuple) else ()
    boxes = [
        Drawn(
            box=(
                each.box[0] * across,
                each.box[1] * down,
                each.box[2] * across,
                each.box[3] * down,
            ),
            name=each.label,
            place=-1 if each.ignored else labels.index(each.label),
        )
        for each in target
        if isinstance(each, Annotation)
    ]
    return with_boxes(image.resized(width, height), boxes)


def _as_trained(
    record: Record, labels: Sequence[str], preprocess: Preprocess, epoch: int, side: int
) -> Pixels:
    example = next(iter(preprocess(0, record, epoch)))
    pixels = example.arrays["pixels"]
    height, width = pixels.shape[:2]
    across, down = fitted((width, height), side)
    scale = np.array([across / width, down / height] * 2)
    boxes = [
        Drawn(box=tuple((box * scale).tolist()), place=-1) for box in example.arrays["ignored"]
    ]
    boxes += [
        Drawn(box=tuple((box * scale).tolist()), name=labels[place], place=place)
        for box, place in zip(
            example.arrays["boxes"], example.arrays["classes"].tolist(), strict=True
        )
    ]
    return with_boxes(resize(pixels, across, down), boxes)
