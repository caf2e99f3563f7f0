"""Short windows of speech, to tell who speaks when: none of them reaches over a pause."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import AudioField
from anysize.core.windows import Span
from anysize.readers.spectra.front import Front
from anysize.readers.spectra.stream import frames
from anysize.windows.speech import SpeechFinder
from anysize.windows.spoken import Detector

LONGEST = 20.0
"""Seconds of a stretch of speech; a longer one is cut, and goes on at once."""

Values = NDArray[np.float32]
Blocks = Generator[Values, None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceWindow:
    """A part of a stretch of speech.

    Attributes:
        region, core: in samples at the front end's rate; a core has the silence before the first
            window of a stretch, and cores partition the recording.
        frames: ``[n, width]``, float32; of a recording in which nobody speaks its first ones.
        speech: the part of the core in which somebody speaks, in seconds; empty where nobody does.
        joined: whether the window before is of the same stretch.
        last: whether it is the recording's last window.
    """

    region: Span
    core: Span
    frames: Values
    speech: tuple[float, float]
    joined: bool
    last: bool = False


class VoiceWindows:
    """Cuts the speech of a recording into windows that overlap; one window is held, and a stretch.

    Args:
        front: makes the frames.
        size: frames of a window; what is said between two pauses may be shorter.
        step: frames from the beginning of one window to that of the next.
        rate: samples a second that the detector reads.
        frame: samples that one of its probabilities is of.
    """

    def __init__(self, front: Front, *, size: int, step: int, rate: int, frame: int) -> None:
        self._front = front
        self._size, self._step = size, step
        self._rate, self._frame = rate, frame

    def stream(self, sound: AudioField, detector: Detector) -> Iterator[VoiceWindow]:
        """The windows in order; a recording without speech has one, of its beginning.

        The recording is decoded twice at the same time, at the rate of each reader.

        Args:
            sound: the recording.
            detector: of this recording alone.

        Raises:
            DataError: it cannot be read, or has no samples.
        """
        heard, seen = sound.blocks(self._rate), _Frames(sound, self._front)
        with contextlib.closing(heard), contextlib.closing(seen):
            held: VoiceWindow | None = None
            owned, before = 0, -1.0
            for stretch in self._stretches(heard, detector):
                joined = stretch[0] == before
                before = stretch[1]
                for window in self._windows(stretch, seen, owned, joined=joined):
                    if held is not None:
                        yield held
                    held, owned = window, window.core.stop
            total = seen.rest()
            if not total:
                raise DataError(sound.origin, "is empty: it has no samples")
            if held is None:
                whole = Span(0, total)
                yield VoiceWindow(
                    region=whole, core=whole, frames=seen.first[: self._size],
                    speech=(0.0, 0.0), joined=False,
                    last=True,
                )  # fmt: skip
                return
            core = Span(held.core.start, total)
            yield VoiceWindow(
                region=Span(held.region.start, total), core=core, frames=held.frames,
                speech=held.speech, joined=held.joined, last=True,
            )  # fmt: skip

    def _stretches(self, heard: Blocks, detector: Detector) -> Iterator[tuple[float, float]]:
        """Where somebody speaks, in seconds; long stretches in parts that follow each other."""
        finder, seconds = SpeechFinder(), self._frame / self._rate
        longest = round(LONGEST / seconds)

        def scaled(spans: Iterator[Span]) -> Iterator[tuple[float, float]]:
            for span in spans:
                yield span.start * seconds, span.stop * seconds

        for block in heard:
            yield from scaled(finder.add(detector.add(block)))
            under_way = finder.open()
            while under_way is not None and under_way.size > longest:
                place = under_way.start + longest
                yield under_way.start * seconds, place * seconds
                finder.cut(place)
                under_way = finder.open()
        yield from scaled(finder.add(detector.rest()))
        yield from scaled(finder.rest())

    def _windows(
        self, stretch: tuple[float, float], seen: _Frames, owned: int, *, joined: bool
    ) -> Iterator[VoiceWindow]:
        """The windows of a stretch, whose cores begin at sample ``owned``."""
        hop, rate = self._front.hop, self._front.rate
        first, stop = (round(time * rate / hop) for time in stretch)
        found = seen.cut(first, max(stop, first + 1))
        count = len(found)
        if not count:
            return  # the detector fills its last frame up with silence
        begins = list(range(0, max(count - self._size, 0) + 1, self._step))
        if begins[-1] + self._size < count:
            begins.append(count - self._size)
        since = stretch[0]
        for place, begin in enumerate(begins):
            end = min(begin + self._size, count)
            final = place == len(begins) - 1
            # The border of two cores is in the middle of what their windows share.
            border = count if final else (begins[place + 1] + end) // 2
            until = stretch[1] if final else (first + border) * hop / rate
            core = Span(owned, min((first + border) * hop, seen.samples))
            yield VoiceWindow(
                region=Span(min(owned, (first + begin) * hop), max((first + end) * hop, core.stop)),
                core=core, frames=found[begin:end], speech=(since, until),
                joined=joined or place > 0,
            )  # fmt: skip
            owned, since = core.stop, until


class _Frames:
    """The frames of a recording, of which parts are asked for in order."""

    def __init__(self, sound: AudioField, front: Front) -> None:
        self.samples = 0
        self.first = np.zeros((0, front.width), np.float32)
        self._source = sound.blocks(front.rate)
        self._frames = frames(self._counted(), front)
        self._held = np.zeros((0, front.width), np.float32)
        self._start = 0  # number of the first that is held

    def cut(self, first: int, stop: int) -> Values:
        """Frames ``[first, stop)``, less where there are less; those before are forgotten."""
        while self._start + len(self._held) < stop:
            block = next(self._frames, None)
            if block is None:
                break
            if not len(self.first):
                self.first = block.copy()
            keep = max(first - self._start, 0)
            self._start += min(keep, len(self._held))
            self._held = np.concatenate([self._held[keep:], block])
        begin = max(first - self._start, 0)
        return self._held[begin : max(stop - self._start, begin)].copy()

    def rest(self) -> int:
        """Reads to the end; how many samples there are."""
        for block in self._frames:
            if not len(self.first):
                self.first = block.copy()
        return self.samples

    def close(self) -> None:
        """Ends the decoding."""
        self._source.close()

    def _counted(self) -> Iterator[Values]:
        for block in self._source:
            self.samples += len(block)
            yield block
