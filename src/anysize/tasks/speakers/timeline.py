"""Windows of speech for the timeline of a recording, each with its time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.network import Network
from anysize.models.voice_activity import FRAME, RATE, VoiceActivity, VoiceStream
from anysize.readers.audio.loudness import raised
from anysize.tasks.recordings import MISSING, missing, placed, recording_of
from anysize.windows.voices import VoiceWindow, VoiceWindows

SECONDS = 1.6
"""Of a window, at most: long enough to know a voice, short enough for one turn."""
PARTS = 3
"""Windows begin every such part of their size."""


class TimelinePreprocess:
    """A record's ``audio`` to an example for each window of speech.

    Each has aside ``speech``: from when to when somebody speaks in what it owns (seconds), and
    whether the window before is of the same stretch; and ``strangers``, the usual cosine of two
    speakers' windows.

    Args:
        network: whose windows they are.
    """

    def __init__(self, network: Network) -> None:
        config: Any = network.module.config
        self._settings = network.reads(AudioSettings)
        front = self._settings.front
        self._hop = front.hop
        size = min(self._settings.frames, round(SECONDS * front.rate / front.hop))
        self._windows = VoiceWindows(
            front, size=size, step=max(size // PARTS, 1), rate=RATE, frame=FRAME
        )
        self._least = int(getattr(config, "least", 0))
        self._strangers = np.array(float(getattr(config, "strangers", 0.0)))
        self._detector = VoiceActivity.opened()

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        sound = recording_of(record, self._settings)
        if self._settings.loudness:
            sound = raised(sound, self._settings.sample_rate, self._settings.loudness)
        seconds = 0.0
        windows = self._windows.stream(sound, VoiceStream(self._detector))
        for index, window in enumerate(windows):
            seconds += window.speech[1] - window.speech[0]
            outside = missing(sound, self._settings.sample_rate) if window.last else 0
            frames = self._filled(window.frames)
            yield Example(
                ordinal=ordinal,
                window=placed(record.id, index, window, outside),
                arrays={"frames": frames},
                cost=len(frames) * self._hop,
                facts=_facts(seconds, outside) if window.last else None,
                aside={"speech": _speech(window), "strangers": self._strangers},
            )

    def _filled(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frames said again, where there are fewer than the model listens to."""
        return np.resize(frames, (max(self._least, len(frames)), frames.shape[1]))


def _speech(window: VoiceWindow) -> NDArray[np.float64]:
    return np.array([*window.speech, float(window.joined)])


def _facts(seconds: float, outside: int) -> Facts:
    """What reading the recording showed."""
    return Facts(
        counts={"speech_milliseconds": round(1000 * seconds)},
        notes=() if seconds else ("no speech was found in it",),
        reason=MISSING if outside else None,
    )
