"""Whisper: windows of speech up to 30 seconds, each written down by an encoder-decoder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.network import Network
from anysize.models.whisper_tokens import WhisperTokens
from anysize.tasks.recordings import MISSING, missing, placed, recording_of
from anysize.tasks.refusals import refuse_augmentation
from anysize.tasks.speech.options import SpeechOptions, foreign
from anysize.tasks.speech.transcribing import FIRST, PIECES, Transcribing
from anysize.windows.spoken import SpokenWindow, SpokenWindows

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation
    from anysize.models.voice_activity import VoiceActivity

_OF_CTC = ("language_model", "language_weight", "token_bonus")
_STEP = 512
"""Samples of a step of the voice activity detector."""
_SOON = 16
"""Steps that the detector looks at at once where text is not to wait: half a second."""
_RANGE, _FLOOR = np.float32(8.0), np.float32(-10.0)


def step(network: Network, options: SpeechOptions) -> Transcribing:
    """What is done with a batch of windows.

    Raises:
        ConfigurationError: a language or a task that the model does not know.
    """
    tokens = WhisperTokens.of_network(network)
    problems = foreign(options, _OF_CTC, "models with a CTC head", network.spec)
    if options.language is not None:
        if not tokens.multilingual and options.language != "en":
            problems.append(
                f"language must be left out or be en, not {options.language!r}: {network.spec} "
                "is an English-only model"
            )
        elif tokens.multilingual:
            tokens.language(options.language)
    if options.translate and not tokens.multilingual:
        problems.append(f"translate has no effect on {network.spec}, an English-only model")
    if problems:
        raise ConfigurationError(problems)
    return Transcribing(
        tokens=tokens,
        language=options.language,
        translate=options.translate,
        beams=options.beams,
        words=options.words,
        guard=options.guard,
        window=network.reads(AudioSettings).whole,
    )


def preprocess(
    network: Network,
    options: SpeechOptions,
    *,
    augment: Augmentation | None = None,
    seed: int = 0,
) -> WhisperPreprocess:
    """How a recording becomes windows of speech."""
    refuse_augmentation("models of Whisper", augment)
    settings = network.reads(AudioSettings)
    return WhisperPreprocess(settings, voice=options.voice, delay=options.delay or 0.0)


class WhisperPreprocess:
    """A record's ``audio`` to examples of frames ``[frames, mels]`` as Whisper takes them.

    What the model is given lies within 8 decades below the loudest of its window.

    Args:
        settings: how recordings become windows.
        voice: whether only speech is read.
        delay: seconds that speech waits for its window to be full, where that is bounded.
    """

    def __init__(self, settings: AudioSettings, *, voice: bool, delay: float = 0.0) -> None:
        self._settings = settings
        detector = None
        if voice:
            from anysize.models.voice_activity import VoiceStream

            network = _detector()

            def detector() -> VoiceStream:
                return VoiceStream(network, _SOON if delay else VoiceStream.block)

        front = settings.front
        self._windows = SpokenWindows(
            front,
            size=settings.frames,
            detector=detector,
            step=_STEP,
            delay=round(delay * front.rate / front.hop),
        )

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        sound = recording_of(record, self._settings)
        first: NDArray[np.float32] | None = None
        for index, window in enumerate(self._windows.stream(sound)):
            values = in_range(window.frames)
            first = values if first is None else first
            facts, outside = None, 0
            if window.last:
                outside = missing(sound, self._settings.sample_rate)
                facts = self._facts(window, outside)
            pieces = [(piece.start, piece.stop) for piece in window.pieces]
            yield Example(
                ordinal=ordinal,
                window=placed(record.id, index, window, outside),
                arrays={"frames": values},
                # Filled up, all windows with speech cost the same.
                cost=self._settings.whole if window.pieces else 1,
                facts=facts,
                aside={PIECES: np.array(pieces, np.int64).reshape(-1, 2), FIRST: first},
            )  # fmt: skip

    def _facts(self, window: SpokenWindow, outside: int) -> Facts:
        silent = 1000 * window.silent // self._settings.sample_rate
        notes = []
        if window.mute:
            notes.append("no speech was found in it")
        return Facts(
            counts={"milliseconds_without_speech": silent},
            notes=tuple(notes),
            reason=MISSING if outside else None,
        )


def in_range(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithms of a window as Whisper takes them: 8 decades below the loudest, about -1 to 1."""
    if not len(frames):
        return frames
    low = np.maximum(frames.max() - _RANGE, _FLOOR)
    return np.asarray((np.maximum(frames, low) + np.float32(4)) / np.float32(4))


@cache
def _detector() -> VoiceActivity:
    from anysize.models.voice_activity import VoiceActivity

    return VoiceActivity.opened()
