"""Summarization of texts of any length, by their own sentences or in a model's words.

Every window is read. A model that writes summarises each of them; these partial summaries, in
their order, are a text that is read again, until one window holds all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from anysize.core.options import Options
from anysize.core.protocols import Merger, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record
from anysize.core.results import NextRound, Result
from anysize.core.steps import ONE_RUN, Step
from anysize.core.windows import Window
from anysize.mergers.written import WrittenMerger
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks import abstraction, extraction
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.abstraction import adapt as adapt  # see models.opening.hub
from anysize.tasks.protocols import MERGED_AS_USUAL, MergeOptions
from anysize.tasks.references import reading, references
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.summary_options import SummaryOptions
from anysize.tasks.untrained import Untrained

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

PROVIDES = ("summarization",)
ARCHITECTURE = Architecture(
    auto="AutoModelForSeq2SeqLM",
    causal="AutoModelForCausalLM",
    suffixes=("PegasusForConditionalGeneration", "PegasusXForConditionalGeneration"),
)

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
    reading=reading,
)  # fmt: skip


class Summarization(Untrained):
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
    takes: ClassVar[Mapping[str, Sequence[str]]] = ONE_WAY
    untrained: ClassVar[str] = (
        "models of summarization are not trained here: predict and evaluate with "
        f"{', '.join(extraction.METHODS)}, or a folder or hub id of a model that was trained "
        "elsewhere"
    )
    prediction: ClassVar[type[Options]] = SummaryOptions

    def __init__(self, options: SummaryOptions | None = None) -> None:
        self.options = options or SummaryOptions()

    def predicting(self, options: SummaryOptions) -> Self:
        """The task with other options of prediction."""
        return type(self)(options)

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
            return abstraction.PassagePreprocess(network, self.options)
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


def make(name: str) -> Summarization:
    """The task."""
    return Summarization()
