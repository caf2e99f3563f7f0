"""Quiet recordings raised to a loudness, as a stream in two passes."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import AudioField, AudioHeader
from anysize.core.windows import Span
from anysize.readers.audio.limits import refuse_once


def gain(blocks: Iterable[NDArray[np.float32]], loudness: float) -> np.float32:
    """By what samples are to be multiplied; 1 for recordings that are loud enough, or silent.

    Args:
        blocks: all samples.
        loudness: decibels below full scale that their root mean square is to have.
    """
    power, count = 0.0, 0
    for block in blocks:
        power += float(np.square(block, dtype=np.float64).sum())
        count += len(block)
    if not power:
        return np.float32(1.0)
    level = 10 * math.log10(power / count)
    return np.float32(max(10 ** ((loudness - level) / 20), 1.0))


def raised(sound: AudioField, rate: int, loudness: float) -> AudioField:
    """The recording, its samples multiplied where it is too quiet; a first pass finds by what.

    Args:
        sound: the recording.
        rate: samples a second that it is measured at.
        loudness: see `gain`.

    Raises:
        DataError: it cannot be read.
    """
    refuse_once(sound, "raising quiet recordings, which this model needs,")
    found = gain(sound.blocks(rate), loudness)
    return sound if found == 1 else Raised(sound, found)


@dataclass(frozen=True, slots=True)
class Raised:
    """A recording whose samples are multiplied.

    Attributes:
        sound: the recording.
        factor: by what.
    """

    sound: AudioField
    factor: np.float32

    @property
    def origin(self) -> str:
        """Of the recording, as are the other methods."""
        return self.sound.origin

    @property
    def header(self) -> AudioHeader:
        """Its own."""
        return self.sound.header

    def blocks(self, rate: int = 0) -> Generator[NDArray[np.float32], None, None]:
        """Its samples, multiplied."""
        source = self.sound.blocks(rate)
        try:
            for block in source:
                yield block * self.factor
        finally:
            source.close()

    def stretches(self, spans: Iterable[Span], rate: int = 0) -> Iterator[NDArray[np.float32]]:
        """Its samples of each span, multiplied."""
        for samples in self.sound.stretches(spans, rate):
            yield samples * self.factor

    def notes(self) -> tuple[str, ...]:
        """Its own."""
        return self.sound.notes()

    def counts(self) -> Mapping[str, int]:
        """Its own."""
        return self.sound.counts()
