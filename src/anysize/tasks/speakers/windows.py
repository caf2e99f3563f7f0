"""Recordings of voices as windows of frames, and in training as crops drawn at random."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Generator, Iterator
from threading import Lock
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import generator
from anysize.augmentation.sounds import SoundChanges
from anysize.core.examples import Example
from anysize.core.records import AudioField, Record
from anysize.core.windows import Span
from anysize.modalities.sounds.settings import LARGEST_WINDOW, AudioSettings
from anysize.readers.audio.sound import Sound
from anysize.tasks.audio_classification import AudioPreprocess
from anysize.tasks.recordings import recording_of

# The draw of a crop; those of augmentation count windows from 0.
_CROP = -1
_LONGER = 4
_REMEMBERED = 100_000

Parts: TypeAlias = Generator[NDArray[np.float32], None, None]


class VoicePreprocess:
    """A record's ``audio`` to examples of frames; in training one crop of it.

    Each example has ``core`` aside, int64: first and last (exclusive) frame that its window owns,
    and how many frames of the window lie before and behind; at an end of the recording as many as
    anyone may want.

    Args:
        settings: how recordings become windows; a crop is as long as a window.
        changes: of training recordings; None changes nothing.
        seed: of the crops.
    """

    def __init__(
        self,
        settings: AudioSettings,
        changes: SoundChanges | None = None,
        seed: int = 0,
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._hop = settings.front.hop
        self._whole = AudioPreprocess(settings)
        # A crop that became longer by a change of speed is still one window.
        longer = min(_LONGER * settings.window, LARGEST_WINDOW)
        self._crops = AudioPreprocess(dataclasses.replace(settings, window=longer), changes)
        self._lengths: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        if draw is not None:
            sound = self._crop(record, draw)
            cropped = dataclasses.replace(record, fields={**record.fields, "audio": sound})
            yield from self._crops(ordinal, cropped, draw)
            return
        for example in self._whole(ordinal, record):
            yield dataclasses.replace(example, aside={**example.aside, "core": self._core(example)})

    def _core(self, example: Example) -> NDArray[np.int64]:
        """See the class."""
        window, count = example.window, len(example.arrays["frames"])
        region, core = cast(Span, window.region), cast(Span, window.core)
        enough = np.iinfo(np.int64).max
        start = (core.start - region.start) // self._hop
        stop = count if window.last else (core.stop - region.start) // self._hop
        before = enough if region.start == 0 else start
        return np.array([start, stop, before, enough if window.last else count - stop])

    def _crop(self, record: Record, draw: int) -> Sound:
        """A part of a recording, drawn from the seed, the epoch and the record's id."""
        sound = recording_of(record, self._settings)
        rate, size = self._settings.sample_rate, self._settings.window
        length = self._length(record.id, sound)
        samples = self._drawn(record.id, sound, draw, length)
        if len(samples) < min(size, length - 1):  # the file has less than it claims
            length = self._length(record.id, sound, counted=True)
            samples = self._drawn(record.id, sound, draw, length)
        return Sound(samples, sound.origin, rate=rate)

    def _drawn(self, record: str, sound: AudioField, draw: int, length: int) -> NDArray[np.float32]:
        """The samples of a crop of a recording of that length."""
        rate, size = self._settings.sample_rate, self._settings.window
        free = length - size
        random = generator((self._seed, draw, record, _CROP))
        start = int(random.integers(0, free + 1)) if free > 0 else 0
        parts = cast(Parts, sound.stretches([Span(start, start + size)], rate))
        with contextlib.closing(parts):
            return next(parts)

    def _length(self, record: str, sound: AudioField, *, counted: bool = False) -> int:
        """Samples at the model's rate, as the file claims; counted where it does not say."""
        rate = self._settings.sample_rate
        if sound.header.samples is not None and not counted:
            return sound.header.samples * rate // sound.header.rate
        with self._lock:
            if record in self._lengths:
                return self._lengths[record]
        length = sum(len(block) for block in sound.blocks(rate))
        with self._lock:
            self._lengths[record] = length
            if len(self._lengths) > _REMEMBERED:
                self._lengths.popitem(last=False)
        return length
