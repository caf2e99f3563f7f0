"""Text to speech: texts of any length, spoken utterance by utterance, joined to one recording.

Training reads pairs of a text and its recording, sentences mostly, and validation measures how far
the frames that are expected are from those of the recording. What prediction does is in
``tasks.speaking.spoken``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.moments import Moments
from anysize.core.options import Options
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.modalities.texts.settings import TextSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.models.speaking import OUTPUTS
from anysize.sources import ColumnSpec
from anysize.synthesis.sound_files import SUFFIXES
from anysize.tasks.abilities import NO_CLASSES, ONE_WAY, Format
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.speaking.learning import (
    FRAMES_PER_ID,
    DistanceMerger,
    DistanceMeter,
    LearningPreprocess,
    facts_of,
)
from anysize.tasks.speaking.options import JudgedSpeechOptions, SpeakingOptions
from anysize.tasks.speaking.spoken import FORMATS, TEXT, SpokenTexts

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors

PROVIDES = ("text-to-speech",)
ARCHITECTURE = Architecture(
    auto="AutoModelForTextToSpectrogram", causal="AutoModelForTextToWaveform",
    suffixes=("VitsModel", "SpeechT5ForTextToSpeech"), outputs=OUTPUTS,
)  # fmt: skip
OPTIONS = (SpeakingOptions,)
FILES = SUFFIXES

AUDIO = ColumnSpec(
    role="audio",
    kind="audio",
    names=("audio", "file_name", "file", "path", "filename", "wav", "recording", "clip", "speech"),
    repeated=True,
)

_LOOKED_AT = 256


class TextToSpeech:
    """Texts with their recordings: what is learned, and measured in training.

    Args:
        options: how texts are spoken.
    """

    name = "text-to-speech"
    role = "text"
    unit: Unit = "characters"
    columns: tuple[ColumnSpec, ...] = (TEXT, AUDIO)
    main_metric = "distance"
    lower_is_better = True
    augmentation = "none"
    separable = True
    by_target = False
    formats: ClassVar[Mapping[str, Format]] = FORMATS
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, **NO_CLASSES}
    prediction: ClassVar[type[Options]] = JudgedSpeechOptions

    def __init__(self, options: SpeakingOptions | None = None) -> None:
        self.options = options or SpeakingOptions()

    def predicting(self, options: SpeakingOptions) -> TextToSpeech:
        """The task with these options."""
        return TextToSpeech(options)

    def answering(self) -> SpokenTexts:
        """What prediction does; see ``tasks.protocols.Answering``."""
        return SpokenTexts(self.options)

    def labels(self, source: Source) -> tuple[str, ...]:
        return ()  # any text may be spoken

    def label_counts(self, source: Source) -> dict[str, int]:
        return {}

    def facts(self, source: Source, found: object) -> object:
        """The texts, and the rate of the recordings; see ``KnowsMore``."""
        return facts_of(source)

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Gives a fresh network the mean and variance of frames of some training recordings.

        Raises:
            ConfigurationError: the model is a voice as it is.
            DataError: no recording can be read.
        """
        module: Any = network.module
        _trainable(network)
        if module.name_or_path:
            return
        preprocess = LearningPreprocess(module, network.reads(TextSettings).window)
        moments = Moments(module.front.width)
        first: DataError | None = None
        for index in range(0, len(source), max(len(source) // _LOOKED_AT, 1)):
            try:
                moments.add(preprocess.frames(source[index]))
            except DataError as error:
                first = first or error  # counted and named when training reads it
        if not moments.count:
            raise first or DataError(source.name, "has no recording that can be read")
        module.start_from(moments.mean, moments.variance, moments.count)

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        return {
            "batch": 16, "epochs": 100, "learning_rate": 2e-3, "weight_decay": 0.01,
            "warmup": 0.05, "clip": 1.0, "label_smoothing": 0.0,
        }  # fmt: skip

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        _trainable(network)
        return LearningPreprocess(network.module, network.reads(TextSettings).window)

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Nothing: the examples have the frames with them."""
        return 0

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        count = FRAMES_PER_ID * len(example.arrays["input_ids"])
        # One number a frame stands for all of them: it is spread over the mels.
        frames = np.random.default_rng(count).standard_normal((count, 1))
        arrays = {**example.arrays, "frames": frames.astype(np.float32)}
        return dataclasses.replace(example, arrays=arrays), 0

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The sum of the records' losses, which the model gives itself."""
        total: Tensor = outputs["losses"].sum()
        return total

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return DistanceMeter()

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "utterances are joined in their order")
        return DistanceMerger


def _trainable(network: Network) -> None:
    """Refuses voices that are used as they are.

    Raises:
        ConfigurationError: the network is one.
    """
    if not hasattr(network.module, "front"):
        raise ConfigurationError(
            f"model {network.spec!r} is a finished voice and cannot be trained: use speech-small"
        )


def adapt(network: Network) -> None:
    """Makes a network of transformers speak; see ``models.hub_voice``."""
    from anysize.models.hub_voice import give_voice

    give_voice(network)


def make(name: str) -> TextToSpeech:
    """The task."""
    return TextToSpeech()
