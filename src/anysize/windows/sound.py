"""Windows of recordings: frames of a spectrum, counted in samples."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.moments import Moments
from anysize.core.records import AudioField
from anysize.core.windows import Span
from anysize.readers.audio.limits import refuse_once
from anysize.readers.spectra.front import Front
from anysize.readers.spectra.normalizing import TWICE, Normalizer, Normalizing
from anysize.readers.spectra.stream import frames
from anysize.windows.spans import SpanCutter

Change: TypeAlias = Callable[[Iterator[NDArray[np.float32]], int], Iterator[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundWindow:
    """What a model reads at once.

    Attributes:
        region, core: in samples at the front end's rate; the cores partition the recording.
        frames: ``[n, width]``, float32.
        last: whether it is the recording's last window.
    """

    region: Span
    core: Span
    frames: NDArray[np.float32]
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What is done with recordings and windows that are shorter than a model reads.

    Attributes:
        silence: samples; a recording of fewer is followed by silence up to there, which no region
            counts.
        zeros: whether windows of fewer frames than a whole one are filled up with zeros.
    """

    silence: int = 0
    zeros: bool = False


class SoundWindows:
    """Cuts the frames of a recording; two windows are held at most, and what comes at once.

    Frame ``t`` stands for the samples from ``t * hop`` to the next one's; the last frame owns what
    is left of them.

    Args:
        front: makes the frames.
        size: frames of a window.
        overlap: frames that neighbours share.
        normalizing: kinds that need statistics of the whole recording read it twice, unless all
            of it is one window.
        filling: of what is shorter than the model reads.
        shift, scale: what is taken off each number in the end, and by what it is divided.
        grid: frames of which windows begin at a multiple; ``size`` and ``overlap`` are multiples.
    """

    def __init__(
        self,
        front: Front,
        *,
        size: int,
        overlap: int = 0,
        normalizing: Normalizing = "none",
        filling: Filling | None = None,
        shift: float = 0.0,
        scale: float = 1.0,
        grid: int = 1,
    ) -> None:
        self._front = front
        self._size, self._overlap = size, overlap
        self._normalizing = normalizing
        self._filling = filling or Filling()
        self._shift, self._scale = shift, scale
        self._grid = grid

    def stream(self, sound: AudioField, change: Change | None = None) -> Iterator[SoundWindow]:
        """The windows in order.

        Args:
            sound: the recording.
            change: makes other samples of its samples, given their rate, and the same ones in each
                pass; regions and cores count what it gives.

        Raises:
            DataError: it cannot be read, or has no samples.
        """
        silence = self._filling.silence
        counted = _Counted(sound, self._front.rate, change, silence)
        moments = Moments(self._front.width)
        if self._normalizing not in TWICE:
            yield from self._cut(frames(counted.blocks(), self._front), counted, moments)
            return
        refuse_once(sound, f"this model's normalization by the whole of it ({self._normalizing})")
        first: list[NDArray[np.float32]] = []
        for block in frames(counted.blocks(), self._front):
            moments.add(block)
            if moments.count <= self._size:
                first.append(block)
        if moments.count <= self._size:
            yield from self._cut(iter(first), counted, moments)
            return
        first.clear()
        counted = _Counted(sound, self._front.rate, change, silence)
        yield from self._cut(frames(counted.blocks(), self._front), counted, moments)

    def _cut(
        self, blocks: Iterator[NDArray[np.float32]], counted: _Counted, moments: Moments
    ) -> Iterator[SoundWindow]:
        normalizer = Normalizer(self._normalizing, moments, self._shift, self._scale)
        grid = self._grid
        cutter = SpanCutter(self._size // grid, self._overlap // grid)
        held, first, count = np.zeros((0, self._front.width), np.float32), 0, 0

        def window(region: Span, core: Span, *, last: bool) -> SoundWindow:
            region, core = _frames(region, grid, count), _frames(core, grid, count)
            piece = held[region.start - first : region.stop - first]
            if self._filling.zeros and len(piece) < self._size:
                piece = np.pad(piece, ((0, self._size - len(piece)), (0, 0)))
            return SoundWindow(
                region=self._samples(region, counted, last=last),
                core=self._samples(core, counted, last=last),
                frames=normalizer(np.ascontiguousarray(piece)),
                last=last,
            )

        for block in blocks:
            held, count = np.concatenate([held, block]), count + len(block)
            for region, core in cutter.grow(count // grid):
                yield window(region, core, last=False)
                held, first = held[region.start * grid - first :], region.start * grid
        if not counted.samples:
            raise DataError(counted.origin, "is empty: it has no samples")
        whole = -(-count // grid)
        for region, core in (*cutter.grow(whole), *cutter.finish()):
            yield window(region, core, last=core.stop == whole)

    def _samples(self, frames_of: Span, counted: _Counted, *, last: bool) -> Span:
        """Frames as samples; the last window reaches to the end."""
        hop = self._front.hop
        start, stop = frames_of.start * hop, frames_of.stop * hop
        return Span(start, counted.samples if last else min(stop, counted.samples))


def _frames(span: Span, grid: int, count: int) -> Span:
    """A span of the grid as frames; the last place of the grid may have fewer of them."""
    return Span(span.start * grid, min(span.stop * grid, count))


class _Counted:
    """Counts the samples of one pass."""

    def __init__(self, sound: AudioField, rate: int, change: Change | None, silence: int) -> None:
        self._sound = sound
        self._silence = silence
        self._rate = rate
        self._change = change
        self.origin = sound.origin
        self.samples = 0

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        source = self._sound.blocks(self._rate)
        with contextlib.closing(source):
            blocks = source if self._change is None else self._change(source, self._rate)
            for block in blocks:
                self.samples += len(block)
                yield block
        if 0 < self.samples < self._silence:
            yield np.zeros(self._silence - self.samples, np.float32)
