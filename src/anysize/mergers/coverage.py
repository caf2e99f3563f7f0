"""What of a record's extent its windows owned: the part of a receipt that all mergers share."""

from __future__ import annotations

from anysize.core.receipts import Fidelity, Receipt, Unit
from anysize.core.windows import Box, Window

_REASON = "the model is made for the centre of a picture (crop); --crop 0 reads all of it"


class Coverage:
    """Adds up windows' cores; the extent is as far as they reach, unless a window tells more."""

    __slots__ = ("_covered", "_height", "_tile", "_tiles", "_unit", "_width", "windows")

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._covered = 0
        self._width = 0
        self._height = 0
        self._tile = (0, 0)
        self._tiles = 0
        self.windows = 0

    def add(self, window: Window) -> None:
        """Counts one window."""
        core, region = window.core, window.region
        if isinstance(core, Box):
            if core.size and isinstance(region, Box):
                across, down = self._tile
                self._tile = max(across, region.width), max(down, region.height)
                self._tiles += 1
            width, height = window.extent or (core.right, core.bottom)
            self._width = max(self._width, width)
            self._height = max(self._height, height)
        else:
            self._width = max(self._width, core.stop)
            self._height = 1
        self._covered += core.size
        self.windows += 1

    def receipt(self, merge: str, fidelity: Fidelity) -> Receipt:
        """The receipt; one window alone is the whole input at once, hence ``exact``."""
        extent = self._width * self._height
        return Receipt(
            extent=extent,
            unit=self._unit,
            windows=self.windows,
            covered=self._covered / extent if extent else 1.0,
            dropped=extent - self._covered,
            merge=merge,
            fidelity="exact" if self.windows == 1 else fidelity,
            shape=(self._width, self._height) if self._unit == "pixels" else None,
            tile=self._tile if self._tiles > 1 else None,
            reason=None if self._covered == extent else _REASON,
        )
