"""Which columns of a table hold boxes, under the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["corners", "sides", "centre", "one cell"]

_PICTURE = (
    "filename", "image", "imagepath", "imagename", "imagefile", "imagefilename", "imageid", "img",
    "imgname", "imgpath", "imgid", "picture", "photo", "path", "filepath", "file", "frame", "name",
    "id",
)  # fmt: skip
_LABEL = (
    "class", "label", "classname", "labelname", "category", "categoryname", "objectclass", "object",
    "target", "species", "type", "classid", "labelid", "categoryid", "name",
)  # fmt: skip
_LEFT = ("xmin", "x1", "left", "x0", "minx", "xtl", "bboxxmin", "bboxx1", "bboxleft", "boxxmin")
_TOP = ("ymin", "y1", "top", "y0", "miny", "ytl", "bboxymin", "bboxy1", "bboxtop", "boxymin")
_RIGHT = ("xmax", "x2", "right", "maxx", "xbr", "bboxxmax", "bboxx2", "bboxright", "boxxmax")
_BOTTOM = ("ymax", "y2", "bottom", "maxy", "ybr", "bboxymax", "bboxy2", "bboxbottom", "boxymax")
_X = ("x", "bboxx", "boxx", "bbx", *_LEFT)
_Y = ("y", "bboxy", "boxy", "bby", *_TOP)
_WIDE = ("w", "bboxwidth", "bboxw", "boxwidth", "boxw", "bw", "objectwidth", "width")
_HIGH = ("h", "bboxheight", "bboxh", "boxheight", "boxh", "bh", "objectheight", "height")
_MIDDLE_X = ("xcenter", "xcentre", "cx", "centerx", "centrex", "xc", "xmid", "bboxxcenter")
_MIDDLE_Y = ("ycenter", "ycentre", "cy", "centery", "centrey", "yc", "ymid", "bboxycenter")
_CELL = ("bbox", "box", "boundingbox", "bboxes", "boxes", "coordinates")
_PICTURE_WIDTH = ("imagewidth", "imgwidth", "imgw", "imwidth", "picturewidth", "width")
_PICTURE_HEIGHT = ("imageheight", "imgheight", "imgh", "imheight", "pictureheight", "height")
_CROWD = ("iscrowd", "isgroupof", "crowd")


@dataclass(frozen=True, kw_only=True)
class BoxColumns:
    """Places of a table's columns.

    Attributes:
        form: what the four numbers of a box are.
        picture: the column of the picture's name.
        sides: those of the box: four, or one cell that holds all.
        label: that of the class; None where there is none.
        size: those of the picture's width and height.
        crowd: that of the mark for a group of objects.
        split: that of the split's name.
    """

    form: Form
    picture: int
    sides: tuple[int, ...]
    label: int | None = None
    size: tuple[int, int] | None = None
    crowd: int | None = None
    split: int | None = None
    names: tuple[str, ...] = field(default=(), compare=False)


def by_names(header: Sequence[str]) -> BoxColumns | None:
    """The columns as a header names them; None where it names no boxes."""
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        places.setdefault(re.sub(r"[^a-z0-9]", "", name.lower()), place)
    found = _sides(places)
    if found is None:
        return None
    form, sides = found
    picture = _first(places, _PICTURE, sides)
    if picture is None:
        return None
    wide, high = (_first(places, names, sides) for names in (_PICTURE_WIDTH, _PICTURE_HEIGHT))
    return BoxColumns(
        form=form,
        picture=picture,
        sides=sides,
        label=_first(places, _LABEL, (*sides, picture)),
        size=None if wide is None or high is None else (wide, high),
        crowd=_first(places, _CROWD, sides),
        split=_first(places, ("split", "subset", "set"), sides),
        names=tuple(header),
    )


def by_place(row: Sequence[str]) -> BoxColumns | None:
    """The columns of a table without a header, as keras-retinanet writes it; None for others.

    A row is ``path,x1,y1,x2,y2,class``, or ``path,,,,,`` for a picture without objects.
    """
    if len(row) not in (5, 6) or not row[0].strip():
        return None
    cells = [cell.strip() for cell in row[1:5]]
    if any(cells) and not all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in cells):
        return None
    if not any(cells) and len(row) == 5:
        return None
    return BoxColumns(
        form="corners", picture=0, sides=(1, 2, 3, 4), label=5 if len(row) == 6 else None
    )


def _sides(places: Mapping[str, int]) -> tuple[Form, tuple[int, ...]] | None:
    forms: tuple[tuple[Form, tuple[tuple[str, ...], ...]], ...] = (
        ("corners", (_LEFT, _TOP, _RIGHT, _BOTTOM)),
        ("centre", (_MIDDLE_X, _MIDDLE_Y, _WIDE, _HIGH)),
        ("sides", (_X, _Y, _WIDE, _HIGH)),
        ("one cell", (_CELL,)),
    )
    for form, columns in forms:
        found = [_first(places, names, ()) for names in columns]
        if all(place is not None for place in found):
            return form, tuple(place for place in found if place is not None)
    return None


def _first(places: Mapping[str, int], names: Sequence[str], taken: Sequence[int]) -> int | None:
    for name in names:
        if name in places and places[name] not in taken:
            return places[name]
    return None
