"""Audio classification: recordings of any length, one label each."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from anysize.augmentation.sounds import SoundChanges
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.moments import Moments
from anysize.core.protocols import Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import Record, Source
from anysize.heads.options import ClassOptions, HeadOptions
from anysize.mergers.timeline import RATE, EventRule
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.readers.audio.loudness import raised
from anysize.sources import ColumnSpec
from anysize.tasks import event_files
from anysize.tasks.abilities import Format
from anysize.tasks.classification import LABEL, Classification
from anysize.tasks.event_options import EventOptions
from anysize.tasks.recordings import MISSING, missing, placed, recording_of
from anysize.windows.sound import Filling, SoundWindows

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

OPTIONS = (HeadOptions, ClassOptions)
PROVIDES = ("audio-classification",)
ARCHITECTURE = Architecture(
    auto="AutoModelForAudioClassification",
    # Models of waveforms have the name that those of texts have.
    suffixes=(
        "ForAudioClassification", "Data2VecAudioForSequenceClassification",
        "HubertForSequenceClassification", "SEWForSequenceClassification",
        "SEWDForSequenceClassification", "UniSpeechForSequenceClassification",
        "UniSpeechSatForSequenceClassification", "WavLMForSequenceClassification",
        "Wav2Vec2ForSequenceClassification", "Wav2Vec2BertForSequenceClassification",
        "Wav2Vec2ConformerForSequenceClassification",
    ),
)  # fmt: skip

AUDIO = ColumnSpec(
    role="audio",
    kind="audio",
    names=(
        "audio", "file_name", "file", "path", "filename", "wav", "recording", "sound", "clip",
        "speech",
    ),
)  # fmt: skip

_LOOKED_AT = 256
_WINDOWS_OF_ONE = 4
_MASKED = 100
"""Units of masks in a second."""


class AudioClassification(Classification):
    """Windows of frames along time, whose logits are pooled."""

    name = "audio-classification"
    role = "audio"
    unit = "samples"
    columns = (AUDIO, LABEL)
    augmentation = "light"
    prediction: ClassVar[type[EventOptions]] = EventOptions
    events = EventOptions()
    formats: ClassVar[Mapping[str, Format]] = {
        ".txt": Format(rows=event_files.label_track, live=event_files.LabelTrack),
        ".vtt": Format(rows=event_files.webvtt, live=event_files.EventCues),
    }

    def predicting(self, options: EventOptions) -> Self:
        """See ``tasks.protocols.Predicting``."""
        other = copy.copy(self)
        other.events = options
        return other

    def merging(self, rule: str) -> Mapping[str, Any]:
        """When events begin and end.

        Raises:
            ConfigurationError: it was asked for with another rule than ``timeline``.
        """
        asked = self.events
        if rule == "timeline":
            return {"events": EventRule(begin=asked.event_begin, hold=asked.event_hold)}
        if asked.asked():
            raise ConfigurationError(
                f"event_begin and event_hold are for the merge rule timeline, not for {rule}"
            )
        return {}

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """See ``learn_frames``."""
        learn_frames(network, source, self.preprocess(network))

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        settings = network.reads(AudioSettings)
        if augment is None:
            return AudioPreprocess(settings)
        steps = (*augment.steps, *augment.batch_steps)
        return AudioPreprocess(settings, SoundChanges(steps, seed, settings.sample_rate))


def learn_frames(network: Network, source: Source, preprocess: Preprocess) -> None:
    """Gives a fresh network the mean and variance of frames of some training recordings.

    Args:
        network: one that was loaded keeps its own.
        source: the training data; recordings are chosen evenly, and of long ones the first windows
            are read.
        preprocess: makes windows of them.

    Raises:
        DataError: no recording can be read.
    """
    module: Any = network.module
    if not getattr(module, "starts_from_data", False) or module.name_or_path:
        return
    moments = Moments(network.reads(AudioSettings).front.width)
    first: DataError | None = None
    for index in range(0, len(source), max(len(source) // _LOOKED_AT, 1)):
        try:
            windows = iter(preprocess(index, source[index]))
            for _, example in zip(range(_WINDOWS_OF_ONE), windows, strict=False):
                moments.add(example.arrays["frames"])
        except DataError as error:
            first = first or error  # counted and named when training reads it
    if not moments.count:
        raise first or DataError(source.name, "has no recording that can be read")
    module.start_from(moments.mean, moments.variance, moments.count)


class AudioPreprocess:
    """A record's ``audio`` to examples of frames ``[frames, width]``.

    Args:
        settings: how recordings become windows.
        changes: of training recordings; None changes nothing.
    """

    def __init__(self, settings: AudioSettings, changes: SoundChanges | None = None) -> None:
        self._changes = changes
        self._settings = settings
        self._rate = settings.sample_rate
        self._aside = {RATE: np.array([self._rate], np.int64)}
        self._loudness = settings.loudness
        front = settings.front
        self._hop = front.hop
        self._each = max(self._rate // _MASKED // front.hop, 1)
        self._windows = SoundWindows(
            front,
            size=settings.frames,
            overlap=settings.shared,
            normalizing=settings.normalizing,
            filling=Filling(silence=settings.silence, zeros=settings.filled),
            shift=settings.shift,
            scale=settings.scale,
        )
        self._least = 0 if settings.one_size else settings.silence

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        sound = recording_of(record, self._settings)
        if self._loudness:
            sound = raised(sound, self._rate, self._loudness)
        changes = None if draw is None else self._changes
        epoch = draw or 0
        change = None if changes is None else changes.samples(epoch, record.id)
        for index, window in enumerate(self._windows.stream(sound, change)):
            frames = window.frames
            if changes is not None:
                frames = changes.frames(frames, epoch, record.id, index, each=self._each)
            # All is read before the last window is given.
            outside = missing(sound, self._rate) if window.last else 0
            yield Example(
                ordinal=ordinal,
                window=placed(record.id, index, window, outside),
                arrays={"frames": frames},
                aside=self._aside,
                cost=len(frames) * self._hop,
                facts=self._facts(window.region.size, outside),
            )

    def _facts(self, samples: int, outside: int) -> Facts | None:
        """What is to be said of a window, of so many samples."""
        notes: tuple[str, ...] = ()
        if samples < self._least:
            notes = (
                f"its {samples:,} samples are fewer than the {self._least:,} that the model reads: "
                "silence was put behind them",
            )
        if not notes and not outside:
            return None
        return Facts(notes=notes, reason=MISSING if outside else None)


def make(name: str) -> AudioClassification:
    """The task."""
    return AudioClassification()
