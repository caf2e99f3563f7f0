"""SpecAugment: steps that hide frames, or bands of them (Park et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draws
from anysize.augmentation.parameters import Range, number, span, whole
from anysize.augmentation.sounds import FrameStep
from anysize.augmentation.steps import CHANCE, Step

PROVIDES = ("frequency_mask", "time_mask")

_COUNT = whole("how many masks; they may overlap", 1, 20)


@dataclass(frozen=True, kw_only=True)
class TimeMask(FrameStep):
    """Hides stretches of frames; they take the mean of the window."""

    name: ClassVar[str] = "time_mask"
    frames: Range = field(
        default=Range(0.0, 25.0), metadata=span("of each mask, 100 in a second", 0, 1000)
    )
    count: int = field(default=2, metadata=_COUNT)
    most: float = field(
        default=0.2, metadata=number("part of the window that a mask may hide", 0, 1)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def mask(self, draws: Draws, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        if draws.uniform() >= self.p:
            return None
        return _hidden(draws, shape[0], self.count, self.frames, self.most)[:, None]


@dataclass(frozen=True, kw_only=True)
class FrequencyMask(FrameStep):
    """Hides bands of neighbouring filters; each takes its mean over the window."""

    name: ClassVar[str] = "frequency_mask"
    filters: Range = field(
        default=Range(0.0, 8.0), metadata=span("of each mask: numbers of a frame", 0, 128)
    )
    count: int = field(default=2, metadata=_COUNT)
    most: float = field(
        default=0.25, metadata=number("part of the filters that a mask may hide", 0, 1)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def mask(self, draws: Draws, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        if draws.uniform() >= self.p:
            return None
        return _hidden(draws, shape[1], self.count, self.filters, self.most)[None, :]


def _hidden(draws: Draws, length: int, count: int, widths: Range, most: float) -> NDArray[np.bool_]:
    """Where the masks are, ``[length]``."""
    found = np.zeros(length, np.bool_)
    for _ in range(count):
        width = min(round(widths.at(draws.uniform())), int(most * length))
        start = draws.integer(length - width + 1)
        found[start : start + width] = True
    return found


STEPS: tuple[type[Step], ...] = (FrequencyMask, TimeMask)
