"""Summarization of texts of any length, by their own sentences or in a model's words.

Every window is read. A model that writes summarises each of them; these partial summaries, in
their order, are a text that is read again, until one window holds all of it. In training a record
is a document, or what its summary is about in a long one, and a summary; a decoder reads both one
after the other, with the prompt that it has in prediction, and learns the summary alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.findings import Findings
from anysize.core.options import Options
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.core.results import NextRound, Result
from anysize.core.steps import ONE_RUN, Step
from anysize.core.windows import Window
from anysize.mergers.written import WrittenMerger
from anysize.modalities.texts.settings import TextFacts
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks import abstraction, extraction
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.abstraction import adapt as adapt  # see models.opening.hub
from anysize.tasks.distilling import Side, SoftTargets
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.references import reading, references
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.sequence_loss import sequence_loss
from anysize.tasks.summary_meter import RougeMeter
from anysize.tasks.summary_options import SummaryOptions
from anysize.tasks.summary_prompts import generation_of, prompt_of
from anysize.tasks.summary_training import Pairs, fit_window, longest_summary, note_lengths
from anysize.tasks.token_distilling import soft_sequences
from anysize.tasks.translation_guard import repeats

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors

PROVIDES = ("summarization",)
ARCHITECTURE = Architecture(
    auto="AutoModelForSeq2SeqLM",
    causal="AutoModelForCausalLM",
    suffixes=("PegasusForConditionalGeneration", "PegasusXForConditionalGeneration"),
    outputs=("target_logits",),
)
OPTIONS = (SummaryOptions,)

TEXT = ColumnSpec(
    role="text",
    kind="text",
    names=(
        "text", "document", "article", "dialogue", "body", "content", "report", "source", "input",
    ),
)  # fmt: skip
SUMMARY = ColumnSpec(
    role="summary",
    kind="target",
    names=(
        "all_summaries", "summaries", "references", "summary", "target", "highlights", "tldr",
        "reference", "abstract",
    ),
    required=False,
    folders=False,
    reading=reading,
)  # fmt: skip


# So often in a row the same words may come in a summary.
_TIMES = 3


class Summarization:
    """Passages of whole sentences over ``text``."""

    name = "summarization"
    role = "text"
    unit: Unit = "characters"
    columns: tuple[ColumnSpec, ...] = (TEXT, SUMMARY)
    main_metric = "rougeL"
    lower_is_better = False
    augmentation = "none"
    separable = True
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, "labels": ()}
    prediction: ClassVar[type[Options]] = SummaryOptions

    def __init__(self, options: SummaryOptions | None = None) -> None:
        self.options = options or SummaryOptions()

    def predicting(self, options: SummaryOptions) -> Self:
        """The task with other options of prediction."""
        return type(self)(options)

    def labels(self, source: Source) -> tuple[str, ...]:
        return ()  # any text may come out

    def label_counts(self, source: Source) -> dict[str, int]:
        return {}

    def facts(self, source: Source, found: object) -> object:
        """Documents and summaries, for a vocabulary that they share; see ``KnowsMore``."""
        if not isinstance(found, TextFacts) or found.texts is None:
            return found
        return dataclasses.replace(found, texts=lambda: _both(source))

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Leaves room for summaries behind the documents of a decoder.

        Raises:
            ConfigurationError: there is too little.
        """
        fit_window(network, self.options)
        prompt_of(network, self.options)

    def measure(self, network: Network, source: Source, findings: Findings) -> None:
        """See ``Measuring``."""
        most = generation_of(network, self.options).most
        note_lengths(source, prompt_of(network, self.options), self.options, most, findings)

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        return {"batch": 16, "label_smoothing": 0.1}

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Checks that there is a summary; the examples carry its tokens."""
        if record.target is None:
            raise DataError(record.id, "has no summary")
        references(record.target, record.id)
        return 0

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        written = example.arrays["input_ids"][: longest_summary(self.options)]
        return dataclasses.replace(example, arrays={**example.arrays, "labels": written}), 0

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The cross entropy of every token of the summaries, once, summed."""
        return sequence_loss(outputs, batch)

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """Divergence of each token of the summary; see ``tasks.distilling``."""
        return soft_sequences(student, teacher, temperature)

    def unusable(self, result: Result) -> str | None:
        """Why a teacher's summary is no target; see ``tasks.distilling.Writing``."""
        text = str(result.prediction)
        if not text.strip():
            return "empty"
        if (result.receipt.counts or {}).get("cut_off"):
            return "cut off"
        return "looping" if repeats(text) > _TIMES else None

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return RougeMeter()

    def step(self, network: Network) -> Step:
        """See ``Stepped``."""
        method = extraction.method_of(network)
        if method is None:
            return abstraction.step_of(network, self.options)
        if method in extraction.WEIGHTLESS:
            return extraction.Reading()
        return ONE_RUN

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        method = extraction.method_of(network)
        if method is None:
            return SummaryPreprocess(network, self.options)
        return extraction.ExtractPreprocess(method, network)

    def target_of(self, record: Record) -> tuple[str, ...] | None:
        """The reference summaries of a record; see ``ReadsTargets``."""
        return None if record.target is None else references(record.target, record.id)

    def label_of(self, record: Record) -> str | None:
        """What a record is counted as; see ``tasks.abilities.Naming``."""
        return None if record.target is None else "with a summary"

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "a summary is drawn from all of them in their order")

        def new(record: str) -> Merger:
            return SummaryMerger(record, self.options)

        return new


class SummaryPreprocess:
    """A record's ``text`` to examples, a passage each; in training one with its summary.

    Args:
        network: that writes summaries.
        options: of prediction.
    """

    def __init__(self, network: Network, options: SummaryOptions) -> None:
        self._passages = abstraction.PassagePreprocess(network, options)
        self._pairs = Pairs(self._passages.prompt, options)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        if draw is None:
            yield from self._passages(ordinal, record)
        else:
            yield self._pairs.example(ordinal, record, draw)


class SummaryMerger:
    """The merger of whatever method a record's windows come from."""

    order_independent = True

    def __init__(self, record: str, options: SummaryOptions) -> None:
        self._record, self._options = record, options
        self._merger: Merger | None = None

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        if self._merger is None:
            method = str(output["method"])
            if method == abstraction.METHOD:
                self._merger = WrittenMerger(self._record, self._options.sentences)
            else:
                self._merger = extraction.merger(method, self._record, self._options)
        self._merger.add(window, output)

    def partial(self, window: Window, output: Mapping[str, Any]) -> str | None:
        """What is written of a window so far; see ``Showing``."""
        written = output.get("text")
        return None if written is None else str(written)

    def finish(self) -> Result | NextRound:
        assert self._merger is not None
        return self._merger.finish()


def _both(source: Source) -> Iterator[str]:
    for index in range(len(source)):
        try:
            record = source[index]
            yield from record.text("text").chunks()
            if record.target is not None:
                yield from references(record.target, record.id)
        except DataError:
            continue


def make(name: str) -> Summarization:
    """The task."""
    return Summarization()
