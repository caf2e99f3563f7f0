"""Question answering: the stretch of a context of any length that answers a question, or none.

The context is read in windows with the question beside each; the model says of every token how
likely the answer begins or ends with it, and of its first token that there is no answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.findings import Findings
from anysize.core.options import Options
from anysize.core.progress import counted
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.mergers.answers import OUTPUTS, AnswerRules, maker
from anysize.modalities.texts.settings import TextSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.answer_columns import ANSWER, COLUMNS, CONTEXT, QUESTION
from anysize.tasks.answer_findings import note_answers
from anysize.tasks.answer_meter import AnswerMeter
from anysize.tasks.answer_options import AnswerOptions
from anysize.tasks.answer_targets import Wanted, wanted
from anysize.tasks.answer_windows import AnswerPreprocess, nothing_to_learn
from anysize.tasks.distilling import Side, SoftTargets
from anysize.tasks.fields import repeated
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.windows.tokens import TokenWindows

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors

PROVIDES = ("question-answering",)
RECOGNISES = True
ARCHITECTURE = Architecture(
    auto="AutoModelForQuestionAnswering",
    suffixes=("ForQuestionAnswering",),
    outputs=OUTPUTS,
    per_token=OUTPUTS,
    beside=("token_type_ids",),
    overlap=0.25,
)

# What the two outputs of such models are.
_LABELS = ("start", "end")


@dataclass(frozen=True)
class QuestionAnswering:
    """Windows of tokens over ``context``, the ``question`` beside each.

    Attributes:
        options: which answers predictions give; the threshold of no answer is what validation
            found, unless it is asked for.
    """

    options: AnswerOptions = field(default_factory=AnswerOptions)

    prediction: ClassVar[type[Options]] = AnswerOptions
    name: ClassVar[str] = "question-answering"
    role: ClassVar[str] = CONTEXT.role
    unit: ClassVar[Unit] = "tokens"
    columns: ClassVar[tuple[ColumnSpec, ...]] = COLUMNS
    main_metric: ClassVar[str] = "f1"
    lower_is_better: ClassVar[bool] = False
    augmentation: ClassVar[str] = "none"
    separable: ClassVar[bool] = True
    by_target: ClassVar[bool] = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, "labels": ()}

    def predicting(self, options: Any) -> Self:
        """See ``Predicting``."""
        return dataclasses.replace(self, options=options)

    def labels(self, source: Source) -> tuple[str, ...]:
        return _LABELS

    def label_counts(self, source: Source) -> dict[str, int]:
        """How many questions have an answer and how many have none."""
        counts = {"answer": 0, "no answer": 0}
        indices = range(len(source))
        for index in counted(indices, f"reading the answers of {source.name}", len(source)):
            try:
                found = wanted(source[index], CONTEXT.role)
            except DataError:
                continue
            if found is not None:
                counts["answer" if found.answers else "no answer"] += 1
        return {name: count for name, count in counts.items() if count}

    def survey(self, source: Source, findings: Findings) -> None:
        """Looks for the answers in their contexts; see ``tasks.abilities.Surveying``."""
        note_answers(source, findings)

    def recognises(self, roles: Mapping[str, str]) -> bool:
        """Whether a table with columns for these roles is one of questions and answers."""
        return QUESTION.role in roles and ANSWER.role in roles

    def label_of(self, record: Record) -> str | None:
        """What a record is counted as: answered or not."""
        found = wanted(record, CONTEXT.role)
        return None if found is None else "answer" if found.answers else "no answer"

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Nothing to prepare."""

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        return {"label_smoothing": 0.0}

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        settings = network.reads(TextSettings)
        windows = TokenWindows(
            tokenizer=network.needed_tokenizer(),
            size=settings.window,
            overlap=settings.overlap,
            types=True,
            places=True,
            repeated=repeated(self.columns).role,
        )
        none = getattr(network.hub_tokenizer, "cls_token_id", None)
        return AnswerPreprocess(windows, none, network.beside, self.options.question)

    def target_of(self, record: Record) -> Wanted | None:
        """The answers of a record; see ``ReadsTargets``."""
        return wanted(record, CONTEXT.role)

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Checks the target; each window carries its own.

        Raises:
            DataError: there is none.
        """
        if self.target_of(record) is None:
            raise DataError(record.id, nothing_to_learn(answers=False))
        return 0

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        tokens = len(example.arrays["input_ids"])
        aside = {
            "first": np.array(0),
            "none": np.array(0),
            "rows": np.array((0, tokens - 1), np.int64),
            "weight": np.array(1.0, np.float32),
            "tokens": np.array(tokens),
        }
        return dataclasses.replace(example, aside=aside), 0

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The records' cross entropies of first and last token, over the context and no answer."""
        from anysize.tasks.answer_losses import answer_loss

        return answer_loss(outputs, batch)

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """Divergence of where the two see answers begin and end; see ``tasks.distilling``."""
        from anysize.tasks.answer_losses import answer_shares, soft_answers

        return SoftTargets(loss=soft_answers(temperature), shares=answer_shares)

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return AnswerMeter()

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(
            self.name,
            options,
            "each answer is scored in the window that shows most of what is around it",
        )
        rules = AnswerRules(
            top=self.options.top_k,
            longest=self.options.longest_answer,
            threshold=self.options.no_answer_threshold,
        )
        return maker(rules, keep_first=options.keep_first)


def make(name: str) -> QuestionAnswering:
    """The task."""
    return QuestionAnswering()
