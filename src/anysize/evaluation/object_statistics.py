"""What a dataset of pictures with objects looks like: boxes, classes and sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from anysize.core.objects import Annotation
from anysize.core.records import Record, Source
from anysize.evaluation.sketches import Distribution, LengthSketch
from anysize.evaluation.statistics import ImageStatistics, image_statistics

_SMALL, _LARGE = 32 * 32, 96 * 96


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How often a class is there.

    Attributes:
        objects: boxes of it.
        pictures: those with one or more.
    """

    objects: int
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStatistics(ImageStatistics):
    """A dataset of pictures with objects. ``unlabelled`` pictures have no annotations at all.

    Attributes:
        objects: boxes.
        classes: by name, the most frequent first.
        per_picture: boxes of a picture.
        box_widths, box_heights: in pixels.
        shares: of the picture that a box covers, in hundredths.
        areas: boxes below 32 x 32 pixels, below 96 x 96, and above, as COCO counts them.
        without_objects: pictures that are annotated as empty.
        crowds, difficult: boxes that evaluation passes over.
    """

    objects: int
    classes: Mapping[str, ClassCount]
    per_picture: Distribution
    box_widths: Distribution
    box_heights: Distribution
    shares: Distribution
    areas: Mapping[str, int]
    without_objects: int
    crowds: int
    difficult: int

    def to_json(self) -> dict[str, Any]:
        entries = ImageStatistics.to_json(self)
        del entries["labels"]
        return {
            **entries,
            "objects": self.objects,
            "classes": {
                name: {"objects": count.objects, "pictures": count.pictures}
                for name, count in self.classes.items()
            },
            "objects_per_picture": self.per_picture.to_json(),
            "box_widths": self.box_widths.to_json(),
            "box_heights": self.box_heights.to_json(),
            "percent_of_picture": self.shares.to_json(),
            "areas": dict(self.areas),
            "pictures_without_objects": self.without_objects,
            "crowds": self.crowds,
            "difficult": self.difficult,
        }


def object_statistics(source: Source, *, limit: int | None = None) -> ObjectStatistics:
    """Decodes every picture once and counts its objects.

    Args:
        source: pictures whose targets are tuples of ``Annotation``.
        limit: look at only so many records, evenly spread over the source.

    Raises:
        ConfigurationError: ``limit`` is below 1.
    """
    counted = _Counts()
    pictures = image_statistics(source, limit=limit, label_of=counted.add)
    common = {item.name: getattr(pictures, item.name) for item in fields(pictures)}
    common["unlabelled"] = counted.unlabelled
    return ObjectStatistics(
        **common,
        objects=sum(counted.objects.values()),
        classes={
            name: ClassCount(objects=count, pictures=counted.pictures[name])
            for name, count in counted.objects.most_common()
        },
        per_picture=counted.per_picture.distribution(),
        box_widths=counted.widths.distribution(),
        box_heights=counted.heights.distribution(),
        shares=counted.shares.distribution(),
        areas=dict(counted.areas),
        without_objects=counted.empty,
        crowds=counted.crowds,
        difficult=counted.difficult,
    )


class _Counts:
    """What is counted of the objects of readable pictures."""

    def __init__(self) -> None:
        self.objects: Counter[str] = Counter()
        self.pictures: Counter[str] = Counter()
        self.per_picture, self.shares = LengthSketch(), LengthSketch()
        self.widths, self.heights = LengthSketch(), LengthSketch()
        self.areas: dict[str, int] = dict.fromkeys(("small", "medium", "large"), 0)
        self.unlabelled = self.empty = self.crowds = self.difficult = 0

    def add(self, record: Record) -> None:
        """Takes a picture; it has no label of its own."""
        if not isinstance(record.target, tuple):
            self.unlabelled += 1
            return
        width, height = record.image("image").extent
        self.empty += not record.target
        self.per_picture.add(len(record.target))
        self.pictures.update({each.label for each in record.target})
        for each in record.target:
            self._object(each, width * height)

    def _object(self, each: Annotation, pixels: int) -> None:
        left, top, right, bottom = each.box
        area = (right - left) * (bottom - top)
        self.objects[each.label] += 1
        self.crowds += each.crowd
        self.difficult += each.difficult
        self.widths.add(round(right - left))
        self.heights.add(round(bottom - top))
        self.shares.add(round(100 * area / pixels))
        size = "small" if area < _SMALL else "medium" if area < _LARGE else "large"
        self.areas[size] += 1
