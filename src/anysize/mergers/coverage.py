"""What of a record's extent its windows owned: the part of a receipt that all mergers share."""

from __future__ import annotations

from anysize.core.receipts import Fidelity, Receipt, Unit
from anysize.core.windows import Box, Window

_REASON = "the model is made for the centre of a picture (crop); --crop 0 reads all of it"


class Coverage:
    """Adds up windows' cores; the extent is as far as they reach, unless a window names more.

    Of several pages it is the sum of theirs.
    """

    __slots__ = ("_covered", "_outside", "_pages", "_tile", "_tiles", "_unit", "windows")

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._covered = 0
        self._pages: dict[int, tuple[int, int]] = {}
        self._outside = 0
        self._tile = (0, 0)
        self._tiles = 0
        self.windows = 0

    @property
    def pages(self) -> int:
        """How many pages had windows."""
        return len(self._pages)

    def add(self, window: Window) -> None:
        """Counts one window."""
        core, region = window.core, window.region
        if isinstance(core, Box):
            if core.size and isinstance(region, Box):
                across, down = self._tile
                self._tile = max(across, region.width), max(down, region.height)
                self._tiles += 1
            width, height = window.extent or (core.right, core.bottom)
        else:
            width, height = core.stop, 1
        far, deep = self._pages.get(window.page, (0, 0))
        self._pages[window.page] = max(far, width), max(deep, height)
        self._covered += core.size
        self._outside += window.outside
        self.windows += 1

    def receipt(self, merge: str, fidelity: Fidelity) -> Receipt:
        """The receipt; one window alone is the whole input at once, hence ``exact``."""
        read = sum(width * height for width, height in self._pages.values())
        extent = read + self._outside
        shapes = set(self._pages.values())
        return Receipt(
            extent=extent,
            unit=self._unit,
            windows=self.windows,
            covered=self._covered / extent if extent else 1.0,
            dropped=extent - self._covered,
            merge=merge,
            fidelity="exact" if self.windows == 1 and not self._outside else fidelity,
            shape=shapes.pop() if self._unit == "pixels" and len(shapes) == 1 else None,
            tile=self._tile if self._tiles > max(len(self._pages), 1) else None,
            reason=None if self._covered == read else _REASON,
        )
