"""A step that puts noise from files beside recordings."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

from anysize.augmentation.draws import Draws
from anysize.augmentation.noises import LOOKED_AT, opening, power
from anysize.augmentation.parameters import Range, span, text
from anysize.augmentation.sounds import Blocks, Change, Samples, SoundStep
from anysize.augmentation.steps import CHANCE, Step
from anysize.core.errors import DataError
from anysize.readers.audio.sound import Sound
from anysize.readers.audio.suffixes import AUDIO_SUFFIXES

PROVIDES = ("noise_from",)

_SILENT = 1e-9
"""Power below which a noise is silence, which is not made louder: 90 decibels below the loudest."""


@dataclass(frozen=True, kw_only=True)
class NoiseFrom(SoundStep):
    """Adds a piece of a recording from a folder of noises, at a ratio of signal to noise.

    One that is too short is repeated.
    """

    name: ClassVar[str] = "noise_from"
    folder: str = field(default="", metadata=text("with recordings of noise, in folders too"))
    snr: Range = field(
        default=Range(5.0, 30.0),
        metadata=span("decibels of the first 30 seconds above the noise", -20, 100),
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def problem(self, rate: int) -> str:
        if not self.folder:
            return "needs a folder with recordings of noise: noise_from(FOLDER, 5..30)"
        if not Path(self.folder).is_dir():
            return f"needs a folder, and {self.folder!r} is none"
        if not recordings_in(self.folder):
            return f"finds no recordings in {self.folder!r}"
        return ""

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        files = recordings_in(self.folder)
        file = files[draws.integer(len(files))]
        part, snr = draws.uniform(), self.snr.at(draws.uniform())

        def run(blocks: Blocks, rate: int) -> Blocks:
            first, rest = opening(blocks, LOOKED_AT * rate)
            noise = _Taken(_repeated(file, rate, part))
            added = noise.take(len(first))
            loud = power(added)
            size = np.float32(0.0)
            if loud >= _SILENT:
                size = np.float32(math.sqrt(power(first) / loud / 10 ** (snr / 10)))
            yield first + size * added
            for block in chain((rest,), blocks):
                yield block + size * noise.take(len(block))

        return run


@cache
def recordings_in(folder: str) -> tuple[Path, ...]:
    """The recordings of a folder and of those in it, by name."""
    return tuple(
        sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    )


class _Taken:
    """A stream that is taken as it is needed."""

    def __init__(self, blocks: Iterator[Samples]) -> None:
        self._blocks = blocks
        self._held = np.zeros(0, np.float32)

    def take(self, count: int) -> Samples:
        """The next samples, ``[count]``."""
        pieces, there = [self._held], len(self._held)
        while there < count:
            pieces.append(next(self._blocks))
            there += len(pieces[-1])
        joined = np.concatenate(pieces)
        self._held = joined[count:]
        return joined[:count]


def _repeated(file: Path, rate: int, part: float) -> Iterator[Samples]:
    """A recording from a part of it on, and then again and again from its beginning.

    Raises:
        DataError: it cannot be read.
    """
    sound = Sound(file)
    skipped = int(part * (sound.header.samples or 0) / sound.header.rate * rate)
    while True:
        given = 0
        with contextlib.closing(sound.blocks(rate)) as blocks:
            for block in blocks:
                left = block[skipped:]
                skipped = max(skipped - len(block), 0)
                given += len(left)
                if len(left):
                    yield left
        if not given and not skipped:
            raise DataError(str(file), "is a noise without samples")
        skipped = 0


STEPS: tuple[type[Step], ...] = (NoiseFrom,)
