"""What prediction does with texts: they are spoken, utterance by utterance, and joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.options import Options
from anysize.core.protocols import Merger, Preprocess
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.mergers.speech import SpeechMerger
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.synthesis.joining import Pauses
from anysize.synthesis.sound_files import SUFFIXES
from anysize.synthesis.speech import Speech
from anysize.tasks.abilities import NO_CLASSES, ONE_WAY, Format
from anysize.tasks.protocols import MERGED_AS_USUAL, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.speaking.options import JudgedSpeechOptions, SpeakingOptions
from anysize.tasks.speaking.preprocess import SpeechPreprocess
from anysize.tasks.speaking.step import Speaking
from anysize.tasks.timing import Timing
from anysize.tasks.untrained import Untrained

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

TEXT = ColumnSpec(
    role="text",
    kind="text",
    names=("text", "sentence", "transcript", "transcription", "content"),
    spoken=True,
)


def save(result: Result, path: Path) -> Mapping[str, Any]:
    """Writes a result's recording; see ``tasks.abilities.Format``."""
    speech = result.prediction
    assert isinstance(speech, Speech)
    speech.save(path)
    return {"audio": str(path)}


# Utterances of a timed round, and how long they are at most: each takes a good part of a second.
_TIMED, _IDS = 4, 128
FORMATS: Mapping[str, Format] = {suffix: Format(result=save) for suffix in SUFFIXES}


class SpokenTexts(Untrained):
    """Utterances of ``text``; what the voice says is joined to one recording.

    Args:
        options: how texts are spoken.
    """

    name = "text-to-speech"
    role = "text"
    unit: Unit = "characters"
    columns: tuple[ColumnSpec, ...] = (TEXT,)
    main_metric = "wer"
    lower_is_better = True
    augmentation = "none"
    separable = True
    by_target = False
    untrained: ClassVar[str] = (
        "speech is made here; what is trained is text-to-speech with its recordings"
    )
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, **NO_CLASSES}
    prediction: ClassVar[type[Options]] = JudgedSpeechOptions
    formats: ClassVar[Mapping[str, Format]] = FORMATS

    def __init__(self, options: SpeakingOptions | None = None) -> None:
        self.options = options or SpeakingOptions()

    @property
    def listener(self) -> str | None:
        """See ``tasks.abilities.Audible``."""
        return getattr(self.options, "recogniser", None)

    def predicting(self, options: SpeakingOptions) -> SpokenTexts:
        """The task with these options."""
        return SpokenTexts(options)

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        module: Any = network.module
        speaker, carried = 0, {}
        if (asking := getattr(module, "asked", None)) is not None:
            carried = asking(self.options)
        elif self.options.vocoder is not None:
            raise ConfigurationError(
                f"vocoder must be left out, not {self.options.vocoder!r}: the voice makes sound "
                "itself"
            )
        else:
            speaker = speaker_number(self.options.speaker, module.speakers)
        return SpeechPreprocess(
            module.make_reader,
            network.reads(TextSettings).window,
            self.options,
            speaker=speaker,
            sample_rate=module.sample_rate,
            carried=carried,
        )

    def step(self, network: Network) -> Speaking:
        """See ``Stepped``."""
        return Speaking()

    def timing(self, network: Network) -> Timing:
        """How fast utterances are spoken; see ``tasks.timing.Timed``."""
        return Timing(
            step=Speaking(), example=_shortened, most=_TIMED,
            described=f"an utterance of up to {_IDS} ids of phonemes or characters",
        )  # fmt: skip

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "utterances are joined in their order")
        factor = self.options.pauses
        usual = Pauses()
        pauses = Pauses(
            clause=factor * usual.clause, sentence=factor * usual.sentence,
            line=factor * usual.line, paragraph=factor * usual.paragraph,
            chapter=factor * usual.chapter,
        )  # fmt: skip
        return lambda record: SpeechMerger(record, self.unit, pauses)


def _shortened(example: Example) -> Example:
    """An utterance of at most so many ids; what it costs goes with them."""
    ids = example.arrays["input_ids"][:_IDS]
    arrays = {**example.arrays, "input_ids": ids}
    return dataclasses.replace(example, arrays=arrays, cost=max(len(ids), 1))


def speaker_number(wanted: str | None, names: Sequence[str]) -> int:
    """The number of a speaker, by name or number; None is the first.

    Raises:
        ConfigurationError: the voice has no such speaker.
    """
    if wanted is None:
        return 0
    if wanted in names:
        return list(names).index(wanted)
    if wanted.isdecimal() and int(wanted) < max(len(names), 1):
        return int(wanted)
    known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    raise ConfigurationError(
        f"speaker must be one of {known}, not {wanted!r}"
        if names
        else f"speaker must be left out, not {wanted!r}: the voice has one speaker"
    )
