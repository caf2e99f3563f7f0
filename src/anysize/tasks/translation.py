"""Translation: texts of any length, segment by segment, joined with what was between them.

A segment is a sentence without the markup around it (``windows.segments``). In training a record is
a pair of texts that fit into the model; its loss is the sum over the tokens of the target.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize import mergers
from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions
from anysize.core.options import Options
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.core.steps import Generation
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextFacts, TextSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.sequence_loss import sequence_loss
from anysize.tasks.translation_meter import BleuMeter
from anysize.tasks.translation_options import TranslationOptions
from anysize.tasks.translation_step import Translating
from anysize.windows.segments import Segment, segments
from anysize.windows.sentences import Lines, sentences

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
    reading=lambda cell: cell.strip() or None,
)

_LONGEST = 1000
_SHORTEST = 32
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
    takes: ClassVar[Mapping[str, Sequence[str]]] = ONE_WAY
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
            encode=lambda text: _arrays(tokens, text),
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


class TranslationPreprocess:
    """A record's ``source`` to examples of its segments; in training, a pair to one example.

    Args:
        tokens: of both sides.
        window: tokens that the model reads at once.
        options: how texts are translated.
    """

    def __init__(self, tokens: SequenceTokens, window: int, options: TranslationOptions) -> None:
        self._tokens, self._window, self._options = tokens, window, options

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        if draw is not None:
            yield self._pair(ordinal, record)
            return
        held: tuple[Segment, NDArray[np.int32]] | None = None
        index = 0
        for each in self._segments(record):
            if held is not None:
                yield self._example(ordinal, record.id, index, *held, last=False)
                index += 1
            held = each
        assert held is not None, "a text has at least one segment"
        yield self._example(ordinal, record.id, index, *held, last=True)

    def _pair(self, ordinal: int, record: Record) -> Example:
        """One example of a whole pair.

        Raises:
            DataError: a side is longer than the model's window.
        """
        field = record.text("source")
        source = self._tokens.source(_plain("".join(field.chunks())))
        target = self._tokens.target(_plain(str(record.target)))
        longest = max(len(source), len(target))
        if longest > self._window:
            raise DataError(
                record.id,
                f"has {len(source)} tokens to be translated into {len(target)}, and the model "
                f"reads {self._window}: divide such pairs into sentences, or raise --window",
            )
        arrays = {"input_ids": source, "labels": target}
        if self._tokens.begin is not None:
            arrays["decoder_input_ids"] = self._tokens.begin
        span = Span(0, len(source))
        window = Window(record=record.id, index=0, region=span, core=span, last=True)
        return Example(ordinal=ordinal, window=window, arrays=arrays, cost=longest)

    def _segments(self, record: Record) -> Iterator[tuple[Segment, NDArray[np.int32]]]:
        options = self._options
        lines: Lines = options.lines  # type: ignore[assignment]
        longest = max(min(4 * self._window, _LONGEST), _SHORTEST)
        chunks = record.text("source").chunks()
        for segment in segments(chunks, longest=longest, lines=lines, markup=options.markup):
            yield from self._fitting(segment)

    def _fitting(self, segment: Segment) -> Iterator[tuple[Segment, NDArray[np.int32]]]:
        """The segment, or the parts that fit into the model."""
        ids = self._tokens.source(_plain(segment.text))
        if len(ids) <= self._window or len(segment.text) < 2:
            yield segment, ids
            return
        start, before = segment.start, segment.before
        parts = list(_halves(segment.text))
        for place, (text, after) in enumerate(parts):
            rest = segment.after if place == len(parts) - 1 else ""
            part = Segment(start, before, text, after + rest)
            yield from self._fitting(part)
            start, before = part.stop, ""

    def _example(
        self, ordinal: int, record: str, index: int, segment: Segment, ids: NDArray[np.int32],
        *, last: bool,
    ) -> Example:  # fmt: skip
        span = Span(segment.start, segment.stop)
        arrays = {"input_ids": ids}
        if self._tokens.begin is not None:
            arrays["decoder_input_ids"] = self._tokens.begin
        return Example(
            ordinal=ordinal,
            window=Window(record=record, index=index, region=span, core=span, last=last),
            arrays=arrays,
            cost=len(ids),
            aside={
                "before": np.array(segment.before),
                "source": np.array(segment.text),
                "after": np.array(segment.after),
            },
        )


def _halves(text: str) -> Iterator[tuple[str, str]]:
    """A segment that is too long in parts, each with the white space after it."""
    longest = len(text) // 2
    if longest < _SHORTEST:
        yield text[:longest], ""
        yield text[longest:], ""
        return
    held = ""
    for part in sentences([text], longest=longest, lines="wrapped"):
        if part.kind == "sentence":
            if held:
                yield held, ""
            held = part.text
        else:
            yield held, part.text
            held = ""
    if held:
        yield held, ""


def _arrays(tokens: SequenceTokens, text: str) -> dict[str, NDArray[Any]]:
    arrays = {"input_ids": tokens.source(_plain(text))}
    if tokens.begin is not None:
        arrays["decoder_input_ids"] = tokens.begin
    return arrays


def _plain(text: str) -> str:
    """A text as the model reads it: one space where there is white space."""
    return " ".join(text.split())


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
