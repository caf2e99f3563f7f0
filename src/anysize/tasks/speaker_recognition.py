"""Speaker recognition: one vector for a recording of any length, and who speaks when in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from anysize import mergers
from anysize.augmentation.sounds import SoundChanges
from anysize.core.protocols import Merger, Preprocess
from anysize.core.records import Source
from anysize.core.steps import Step
from anysize.mergers.turns import TurnRules, TurnsMerger
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.tasks.abilities import Format
from anysize.tasks.audio_classification import AUDIO, learn_frames
from anysize.tasks.protocols import MERGED_AS_USUAL, MergeOptions
from anysize.tasks.recognition import IDENTITY, Recognition
from anysize.tasks.speakers.files import rttm_file
from anysize.tasks.speakers.options import BRIDGE, SpeakerOptions
from anysize.tasks.speakers.references import TURNS
from anysize.tasks.speakers.step import StatisticsRun
from anysize.tasks.speakers.windows import VoicePreprocess

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

PROVIDES = ("speaker-recognition",)
ARCHITECTURE = Architecture(auto="AutoModel", suffixes=("SpeakerModel",), outputs=("embeddings",))


class SpeakerRecognition(Recognition):
    """Windows of frames along time, whose statistics or vectors become one; in training a crop."""

    name = "speaker-recognition"
    role = "audio"
    unit = "samples"
    columns = (AUDIO, IDENTITY, TURNS)
    augmentation = "light"
    prediction: ClassVar[type[SpeakerOptions]] = SpeakerOptions
    matching = SpeakerOptions()
    formats: ClassVar[Mapping[str, Format]] = {".rttm": Format(rows=rttm_file, several=True)}

    @property
    def evaluation(self) -> str:
        """What measures it; see ``evaluation.choice``."""
        return "diarization" if self.matching.timeline else self.name

    def predicting(self, options: SpeakerOptions) -> SpeakerRecognition:
        """See ``tasks.protocols.Predicting``."""
        task = SpeakerRecognition()
        task.matching = options
        return task

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        return {"label_smoothing": 0.0}

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """See ``audio_classification.learn_frames``."""
        learn_frames(network, source, self.preprocess(network))

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        if self.matching.timeline:
            from anysize.tasks.speakers.timeline import TimelinePreprocess

            return TimelinePreprocess(network)
        settings = network.reads(AudioSettings)
        changes = None
        if augment is not None:
            steps = (*augment.steps, *augment.batch_steps)
            changes = SoundChanges(steps, seed, settings.sample_rate)
        return VoicePreprocess(settings, changes, seed)

    def step(self, network: Network) -> Step:
        """See ``tasks.protocols.Stepped``."""
        module: Any = network.module
        return StatisticsRun(None if network.form is not None else module.closing())

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        matching = self.matching
        rules = TurnRules(
            number=matching.speakers,
            bridge=BRIDGE if matching.bridge is None else matching.bridge,
        )

        def new(record: str) -> Merger:
            if matching.timeline:
                return TurnsMerger(record, self.unit, rules)
            return mergers.make(record, labels, "voice", self.unit)

        return new


def adapt(network: Network) -> None:
    """Notes what a network that was just opened gives."""
    from anysize.models.voices import note_outputs

    note_outputs(network)


def make(name: str) -> SpeakerRecognition:
    """The task."""
    return SpeakerRecognition()
