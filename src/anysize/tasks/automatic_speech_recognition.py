"""Speech recognition: recordings of any length as text, with times on their own clock.

What a network makes of windows is its kind's business (``tasks.speech.kinds``); here is what all
kinds share: the columns, the options, the transcript.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.findings import Findings
from anysize.core.options import Options
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.core.steps import Step
from anysize.modalities.sounds.settings import AudioFacts
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import NO_CLASSES, ONE_WAY, Format
from anysize.tasks.audio_classification import AUDIO
from anysize.tasks.distilling import Side, SoftTargets
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.refusals import refuse_merge
from anysize.tasks.speech import ctc_training, files
from anysize.tasks.speech.ctc_distilling import soft_steps
from anysize.tasks.speech.joining import SpeechMerger
from anysize.tasks.speech.kinds import kind_of
from anysize.tasks.speech.options import LiveSpeechOptions, SpeechOptions
from anysize.tasks.transcripts.meter import WordErrorMeter
from anysize.tasks.transcripts.word_errors import needed

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors

PROVIDES = ("automatic-speech-recognition",)
ARCHITECTURE = Architecture(
    auto="AutoModelForSpeechSeq2Seq",
    causal="AutoModelForCTC",
    suffixes=("WhisperForConditionalGeneration", "ForCTC"),
    outputs=("target_logits",),
    causal_outputs=("logits",),
)
OPTIONS = (SpeechOptions,)
RECOGNISES = True


def _as_said(cell: str) -> str | None:
    return cell.strip() or None


TEXT = ColumnSpec(
    role="text",
    kind="target",
    names=("text", "transcript", "transcription", "sentence", "words", "normalized_text"),
    required=False,
    folders=False,
    spoken=True,
    reading=_as_said,
)


class SpeechRecognition:
    """Windows of ``audio``; what is said in them is one transcript.

    Args:
        options: how recordings are transcribed.
    """

    name = "automatic-speech-recognition"
    role = "audio"
    unit: Unit = "samples"
    columns: tuple[ColumnSpec, ...] = (AUDIO, TEXT)
    main_metric = "wer"
    lower_is_better = True
    augmentation = "light"
    separable = True
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, **NO_CLASSES}
    prediction: ClassVar[type[Options]] = LiveSpeechOptions
    formats: ClassVar[Mapping[str, Format]] = {
        ".txt": Format(rows=files.plain, several=True, live=files.PlainText),
        ".srt": Format(rows=files.subrip, live=files.Subtitles),
        ".vtt": Format(rows=files.webvtt, live=files.WebSubtitles),
    }

    def __init__(self, options: SpeechOptions | None = None) -> None:
        self.options = options or SpeechOptions()

    @property
    def voices(self) -> str | None:
        """See ``tasks.abilities.Attributed``."""
        return self.options.speakers

    @property
    def known(self) -> str | None:
        """See ``tasks.abilities.Attributed``."""
        return self.options.gallery

    def predicting(self, options: SpeechOptions) -> SpeechRecognition:
        """The task with these options."""
        return SpeechRecognition(options)

    def labels(self, source: Source) -> tuple[str, ...]:
        return ()  # any text may come out

    def recognises(self, roles: Mapping[str, str]) -> bool:
        """Whether data have recordings, and what is said in them."""
        return AUDIO.role in roles and TEXT.role in roles

    def label_counts(self, source: Source) -> dict[str, int]:
        return {}

    def label_of(self, record: Record) -> str | None:
        """What a record is counted as; see ``tasks.abilities.Naming``."""
        return None if record.target is None else "with a transcript"

    def facts(self, source: Source, found: object) -> object:
        """What is said in the recordings, for a vocabulary; see ``KnowsMore``."""
        if not isinstance(found, AudioFacts):
            return found
        return dataclasses.replace(found, texts=lambda: _texts(source))

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        needed()
        if not network.per_token:
            ctc_training.refuse(network.spec)
        ctc_training.begin(network, source)

    def measure(self, network: Network, source: Source, findings: Findings) -> None:
        """Counts recordings that cannot be learned from; see ``tasks.abilities.Measuring``."""
        ctc_training.measure(network, source, findings)

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        if pretrained:
            return {"batch": 16, "label_smoothing": 0.0}
        return {"batch": 32, "epochs": 60, "learning_rate": 2e-3, "label_smoothing": 0.0}

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        return kind_of(network).preprocess(network, self.options, augment=augment, seed=seed)

    def step(self, network: Network) -> Step:
        """See ``Stepped``."""
        return kind_of(network).step(network, self.options)

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Checks that there is a transcript; the examples carry its tokens."""
        if record.target is None or not str(record.target).strip():
            raise DataError(record.id, "has no text: the transcript of its recording is missing")
        return 0

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        return ctc_training.made_up(example), 0

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The mean over the tokens of each transcript, summed over the records."""
        return ctc_training.loss(network, outputs, batch)

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """See ``tasks.distilling.Distillable``."""
        return soft_steps(student, teacher, temperature)

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return WordErrorMeter()

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "windows are joined in their order")
        return lambda record: SpeechMerger(record, self.unit)


def _texts(source: Source) -> Iterator[str]:
    for index in range(len(source)):
        try:
            target = source[index].target
        except DataError:
            continue  # named when it is read to be learned from
        if target is not None:
            yield str(target)


def make(name: str) -> SpeechRecognition:
    """The task."""
    return SpeechRecognition()
