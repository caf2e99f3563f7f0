"""Translation: texts of any length, segment by segment, joined with what was between them.

A segment is a sentence without the markup around it (``windows.segments``). In training a record is
a pair of texts that fit into the model; its loss is the sum over the tokens of the target.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from anysize import mergers
from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions
from anysize.core.options import Options
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.core.steps import Generation
from anysize.modalities.texts.settings import TextFacts, TextSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.distilling import Side, SoftTargets
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.sequence_loss import sequence_loss
from anysize.tasks.token_distilling import soft_sequences
from anysize.tasks.translation_guard import unusable
from anysize.tasks.translation_meter import BleuMeter
from anysize.tasks.translation_options import TranslationOptions
from anysize.tasks.translation_step import Translating
from anysize.tasks.translation_windows import TranslationPreprocess, arrays_of

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors
    from anysize.models.sequence_tokens import SequenceTokens

PROVIDES = ("translation",)
ARCHITECTURE = Architecture(
    auto="AutoModelForSeq2SeqLM",
    suffixes=(
        "MTModel",
        "M2M100ForConditionalGeneration",
        "MBartForConditionalGeneration",
    ),
    outputs=("target_logits",),
)
OPTIONS = (TranslationOptions,)

SOURCE = ColumnSpec(
    role="source", kind="text", names=("source", "src", "source_text", "text", "input")
)
TARGET = ColumnSpec(
    role="target",
    kind="target",
    names=("target", "tgt", "target_text", "translation", "reference", "output"),
    required=False,
    folders=False,
    reading=lambda cell: cell.strip() or None,
)

# So many new tokens for each of the source's, and on top.
_PER_TOKEN, _SPARE = 2.0, 16


class Translation:
    """Segments of ``source``; what the model writes for them is joined into one text.

    Args:
        options: how texts are translated.
    """

    name = "translation"
    role = "source"
    unit: Unit = "characters"
    columns: tuple[ColumnSpec, ...] = (SOURCE, TARGET)
    main_metric = "bleu"
    lower_is_better = False
    augmentation = "none"
    separable = True
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, "labels": ()}
    prediction: ClassVar[type[Options]] = TranslationOptions

    def __init__(self, options: TranslationOptions | None = None) -> None:
        self.options = options or TranslationOptions()

    def predicting(self, options: TranslationOptions) -> Translation:
        """The task with these options."""
        return Translation(options)

    def labels(self, source: Source) -> tuple[str, ...]:
        return ()  # any text may come out

    def label_counts(self, source: Source) -> dict[str, int]:
        return {}

    def label_of(self, record: Record) -> str | None:
        """What a record is counted as; see ``tasks.abilities.Naming``."""
        return None if record.target is None else "with a translation"

    def facts(self, source: Source, found: object) -> object:
        """Both sides, for a vocabulary that they share; see ``KnowsMore``."""
        if not isinstance(found, TextFacts) or found.texts is None:
            return found
        return dataclasses.replace(found, texts=lambda: _both_sides(source))

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        BleuMeter.needed()
        self._tokens(network)
        adapt(network)

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        if pretrained:
            return {"batch": 64, "label_smoothing": 0.1}
        return {
            "batch": 256, "epochs": 30, "learning_rate": 1e-3, "label_smoothing": 0.1,
            "weight_decay": 0.01, "warmup": 0.1, "clip": 0.0,
        }  # fmt: skip

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        settings = network.reads(TextSettings)
        return TranslationPreprocess(self._tokens(network), settings.window, self.options)

    def step(self, network: Network) -> Translating:
        """See ``Stepped``."""
        tokens, options = self._tokens(network), self.options
        generation = Generation(
            options=GenerationOptions(
                most=network.reads(TextSettings).window,
                beams=options.beams,
                length_penalty=options.length_penalty,
            ),
            per_unit=_PER_TOKEN,
            spare=_SPARE,
            decode=tokens.text,
        )
        return Translating(
            generation=generation,
            encode=lambda text: arrays_of(tokens, text),
            guard=options.guard,
        )

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Checks that there is a target; the examples carry its tokens."""
        if record.target is None or not str(record.target).strip():
            raise DataError(record.id, "has no target: the translation of its source is missing")
        return 0

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        arrays = {**example.arrays, "labels": example.arrays["input_ids"]}
        return dataclasses.replace(example, arrays=arrays), 0

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The cross entropy of every target token, once, summed."""
        return sequence_loss(outputs, batch)

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """Divergence of each token of the target; see ``tasks.distilling``."""
        return soft_sequences(student, teacher, temperature)

    def unusable(self, result: Result) -> str | None:
        """Why a teacher's translation is no target; see ``tasks.distilling.Writing``."""
        doubtful = result.details.get("doubtful", ())
        return unusable(str(result.prediction), [each["problems"] for each in doubtful])

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return BleuMeter()

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "segments are joined in their order")
        return mergers.maker(labels, "segments", self.unit)

    def _tokens(self, network: Network) -> SequenceTokens:
        from anysize.models.sequence_tokens import SequenceTokens

        options = self.options
        return SequenceTokens(
            network,
            source_lang=options.source_lang,
            target_lang=options.target_lang,
            prefix=options.prefix,
        )


def _both_sides(source: Source) -> Iterator[str]:
    for index in range(len(source)):
        try:
            record = source[index]
            yield from record.text("source").chunks()
        except DataError:
            continue
        if record.target is not None:
            yield str(record.target)


def adapt(network: Network) -> None:
    """Attention as plain matrix products on a processor, where sequences are sentences.

    Forward and backward of 256 sentences of 20 tokens in bfloat16 took 21 ms so, and 156 ms with
    torch's own kernel (one thread with AMX).
    """
    import torch

    if not torch.cuda.is_available():
        network.module.set_attn_implementation("eager")


def make(name: str) -> Translation:
    """The task."""
    return Translation()
