"""Frames of a stream of samples: the same ones, bit for bit, however the samples come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from anysize.readers.spectra.front import FRAMES, Front, FrontEnd, Waveform


def frames(blocks: Iterable[NDArray[np.float32]], front: Front) -> Iterator[NDArray[np.float32]]:
    """The frames of a recording in order, ``[n, width]``, at most `FRAMES` at a time of a spectrum.

    What is held of the samples is less than the span of `FRAMES` frames and one block. A
    recording without samples has no frames.

    Args:
        blocks: samples ``[n]`` in order.
        front: makes the frames.
    """
    if isinstance(front, Waveform):
        for block in blocks:
            yield block[:, None]
        return
    stream = _Stream(front)
    for block in blocks:
        stream.add(block)
        yield from stream.settled()
    yield from stream.rest()


class _Stream:
    """The samples that frames to come still need."""

    def __init__(self, front: FrontEnd) -> None:
        self._front = front
        self._held = np.zeros(0, np.float32)
        self._last = np.zeros(0, np.float32)  # what is mirrored at the end
        self._begun = not front.margin
        self.samples = 0
        self._given = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Takes the next samples."""
        margin = self._front.margin
        self.samples += len(block)
        self._held = np.concatenate([self._held, block])
        self._last = np.concatenate([self._last, block])[-(margin + 1) :]
        if not self._begun and len(self._held) > margin:
            self._held = np.concatenate([self._held[margin:0:-1], self._held])
            self._begun = True

    def settled(self) -> Iterator[NDArray[np.float32]]:
        """The frames that no further sample can change."""
        span, step = self._front.span, FRAMES * self._front.hop
        while self._begun and len(self._held) >= span:
            yield self._front(self._held[:span])
            self._held = self._held[step:]
            self._given += FRAMES

    def rest(self) -> Iterator[NDArray[np.float32]]:
        """The frames that are left once there are no more samples."""
        if not self.samples:
            return
        front, margin = self._front, self._front.margin
        if not self._begun:  # shorter than what is mirrored
            self._held = np.pad(self._held, margin, mode="reflect")
        elif margin:
            self._held = np.concatenate([self._held, self._last[-2::-1]])
        wanted = front.frames(self.samples)
        while self._given < wanted:
            piece = np.zeros(front.span, np.float32)
            there = self._held[: front.span]
            piece[: len(there)] = there
            count = min(wanted - self._given, FRAMES)
            yield front(piece)[:count]
            self._held = self._held[FRAMES * front.hop :]
            self._given += count
