"""Windows: what part of a record one model call reads, and what part of it that call owns.

Regions are half-open integer intervals: ``Span`` in one dimension (tokens, samples) and
``Box`` in two (pixels, origin at the top left). A window reads its ``region``; the ``core``
inside it is the part that it *owns*. The cores of a record's windows partition the record's
extent exactly, which is what lets a merger count every unit of input once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open interval ``[start, stop)``."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Box:
    """The half-open rectangle ``[left, right) x [top, bottom)`` in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def size(self) -> int:
        return self.width * self.height


Region: TypeAlias = Span | Box


@dataclass(frozen=True, slots=True)
class Window:
    """One model call's view of a record.

    Attributes:
        record: the record's id.
        index: 0, 1, 2 … within the record.
        region: what is read, in the record's unit.
        core: the part of the region that this window owns.
        last: whether this is the record's last window. A record's windows are produced in
            order, so a consumer knows that it has seen them all without knowing the extent.
        extent: ``(width, height)`` of a picture of which a part belongs to no window; None where
            the cores partition all of it.
        page: of a record of several pages, from 0; regions and cores are places in it.
        outside: of the last window, how many units of the record no window reads: of pages that are
            left out, or samples that a file claims and does not give.
    """

    record: str
    index: int
    region: Region
    core: Region
    last: bool
    extent: tuple[int, int] | None = None
    page: int = 0
    outside: int = 0
