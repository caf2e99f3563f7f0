"""Windows of speech: what is said in a recording, packed, without the silence between."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import AudioField
from anysize.core.windows import Span
from anysize.readers.spectra.front import Front
from anysize.readers.spectra.stream import frames
from anysize.windows.packing import Packer, quietest
from anysize.windows.speech import Everything, Finder, SpeechFinder


class Detector(Protocol):
    """Probabilities of voice as samples come; see ``models.voice_activity.VoiceStream``."""

    def add(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...

    def rest(self) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWindow:
    """Stretches of speech that a model reads one after the other, as if there were no silence.

    Attributes:
        pieces: the stretches, in samples at the front end's rate; none where nobody speaks at all.
        core: what the window owns, with the silence behind its stretches; cores partition the
            recording.
        frames: of all stretches ``[n, width]``, float32.
        last: whether it is the recording's last window.
        silent: samples of the whole recording that no stretch has; known with the last window.
        mute: whether nobody speaks in all of the recording; known with the last window.
    """

    pieces: tuple[Span, ...]
    core: Span
    frames: NDArray[np.float32]
    last: bool = False
    silent: int = 0
    mute: bool = False

    @property
    def region(self) -> Span:
        """From the first stretch to the last one."""
        if not self.pieces:
            return self.core
        return Span(self.pieces[0].start, self.pieces[-1].stop)


class SpokenWindows:
    """Cuts a recording into windows of speech in one pass, with bounded memory.

    Args:
        front: makes the frames.
        size: frames of a window at most.
        detector: makes what finds voices; None takes all of the recording for speech.
        step: samples that one probability is for.
        delay: frames after which speech waits no longer for its window to be full; 0 waits until
            it is, or the recording ends.
    """

    def __init__(
        self,
        front: Front,
        *,
        size: int,
        detector: Callable[[], Detector] | None,
        step: int,
        delay: int = 0,
    ) -> None:
        self._front, self._size = front, size
        self._detector, self._step = detector, step
        self._delay = delay

    def stream(self, sound: AudioField) -> Iterator[SpokenWindow]:
        """The windows in order; a recording without speech has one without stretches.

        Of a recording that comes once (``LiveSound``) each window is given as soon as it is full,
        and a last one without stretches owns what is left at the end.

        Raises:
            DataError: it cannot be read, or has no samples.
        """
        run = _Pass(self._front, self._size, self._step, self._detector, self._delay)
        at_once = bool(getattr(sound, "once", False))
        held: SpokenWindow | None = None
        begin = spoken = 0
        for pieces, values in run.windows(sound):
            made = SpokenWindow(pieces=pieces, core=Span(0, 0), frames=values)
            spoken += sum(each.size for each in pieces)
            if at_once:
                stop = pieces[-1].stop
                yield replace(made, core=Span(begin, stop))
                begin = stop
                continue
            if held is not None:
                yield replace(held, core=Span(begin, pieces[0].start))
                begin = pieces[0].start
            held = made
        if held is None:
            values = np.zeros((0, self._front.width), np.float32)
            held = SpokenWindow(pieces=(), core=Span(0, 0), frames=values)
        core, silent = Span(begin, run.samples), run.samples - spoken
        yield replace(held, core=core, last=True, silent=silent, mute=not spoken)


class _Pass:
    """One pass over a recording: its frames and its voices, side by side."""

    def __init__(
        self,
        front: Front,
        size: int,
        step: int,
        detector: Callable[[], Detector] | None,
        delay: int,
    ) -> None:
        self._front, self._size, self._step = front, size, step
        self._delay = delay
        self._detector = None if detector is None else detector()
        self._finder: Finder = Everything() if detector is None else SpeechFinder()
        self._packer = Packer(size)
        self._packed: dict[int, NDArray[np.float32]] = {}  # frames of the packer's stretches
        self._chances: deque[NDArray[np.float32]] = deque()
        self._steps = 0  # that the finder has seen
        self._frames = np.zeros((0, front.width), np.float32)
        self._first = 0
        self.samples = 0

    def windows(self, sound: AudioField) -> Iterator[tuple[tuple[Span, ...], NDArray[np.float32]]]:
        """Stretches in samples, and their frames, window by window."""
        for block in frames(self._heard(sound), self._front):
            self._frames = np.concatenate([self._frames, block])
            for stretch in self._stretches():
                yield from self._taken(stretch)
            self._forget()
        if not self.samples:
            raise DataError(sound.origin, "is empty: it has no samples")
        if self._detector is not None:
            self._chances.append(self._detector.rest())
        for stretch in self._stretches():
            yield from self._taken(stretch)
        for rest in map(self._span, self._finder.rest()):
            for part in self._divided(rest):
                yield from self._taken(part)
        yield from map(self._made, self._packer.rest())

    def _taken(
        self, stretch: Span | None
    ) -> Iterator[tuple[tuple[Span, ...], NDArray[np.float32]]]:
        """The windows that are full with a stretch; where there is none, what waits."""
        if stretch is None:
            yield from map(self._made, self._packer.rest())
            return
        own = self._frames[stretch.start - self._first : stretch.stop - self._first]
        self._packed[stretch.start] = own.copy()
        yield from map(self._made, self._packer.add(stretch))

    def _heard(self, sound: AudioField) -> Iterator[NDArray[np.float32]]:
        """The samples, each block of them given to the detector first."""
        with contextlib.closing(sound.blocks(self._front.rate)) as source:
            for block in source:
                before, self.samples = self.samples, self.samples + len(block)
                if self._detector is not None:
                    self._add(self._detector.add(block))
                else:
                    count = self.samples // self._step - before // self._step
                    self._add(np.ones(count, np.float32))
                yield block
        if self._detector is None and self.samples % self._step:
            self._chances.append(np.ones(1, np.float32))

    def _add(self, chances: NDArray[np.float32]) -> None:
        """Probabilities; each by itself where it matters when a window is given."""
        if self._delay:
            self._chances.extend(chances[:, None])
        elif len(chances):
            self._chances.append(chances)

    def _stretches(self) -> Iterator[Span | None]:
        """Those that have ended, and what is cut off one that is longer than a window.

        None where what the packer holds is to wait no longer. The finder sees no further than
        there are frames.
        """
        while self._chances and self._place(self._steps + len(self._chances[0])) <= self._known:
            chances = self._chances.popleft()
            self._steps += len(chances)
            for found in self._finder.add(chances):
                yield from self._divided(self._span(found))
            held = self._packer.held
            if self._delay and held and self._place(self._steps) >= held[0].start + self._delay:
                yield None
        while (under_way := self._finder.open()) is not None:
            span = self._span(under_way)
            if span.size <= self._size or span.start + self._size > self._known:
                return
            place = self._quiet(span)
            step = round(place * self._front.hop / self._step)
            step = min(max(step, under_way.start + 1), under_way.stop)
            self._finder.cut(step)
            yield Span(span.start, self._place(step))

    def _divided(self, span: Span) -> Iterator[Span]:
        while span.size > self._size:
            place = self._quiet(span)
            yield Span(span.start, place)
            span = Span(place, span.stop)
        if span.size:
            yield span

    def _quiet(self, span: Span) -> int:
        """The quietest place in the second half of the first window of a stretch."""
        begin, stop = span.start + self._size // 2, span.start + self._size
        loudness = self._frames[begin - self._first : stop - self._first].mean(axis=1)
        # One step of the detector before the end: the place is rounded to one.
        return begin + min(quietest(loudness), len(loudness) - 4)

    @property
    def _known(self) -> int:
        return self._first + len(self._frames)

    def _span(self, steps: Span) -> Span:
        return Span(self._place(steps.start), self._place(steps.stop))

    def _place(self, step: int) -> int:
        """A step of the detector as a frame."""
        return round(min(step * self._step, self.samples) / self._front.hop)

    def _made(self, pieces: tuple[Span, ...]) -> tuple[tuple[Span, ...], NDArray[np.float32]]:
        hop = self._front.hop
        values = [self._packed.pop(one.start) for one in pieces]
        spans = tuple(Span(one.start * hop, min(one.stop * hop, self.samples)) for one in pieces)
        return spans, np.concatenate(values)

    def _forget(self) -> None:
        """Lets go of frames that no stretch needs any more."""
        needed = self._place(self._finder.settled)
        drop = min(needed, self._known) - self._first
        if drop > 0:
            self._frames = self._frames[drop:].copy()
            self._first += drop
