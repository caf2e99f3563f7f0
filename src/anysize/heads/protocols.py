"""What a head must do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anysize.core.findings import Findings
from anysize.core.protocols import Meter
from anysize.core.records import Source
from anysize.core.results import Decision
from anysize.sources.columns import ColumnSpec

if TYPE_CHECKING:
    from torch import Tensor

Family: TypeAlias = Literal["classification", "regression"]
"""What the names of the tasks end in that a head is for."""

ProblemType: TypeAlias = Literal[
    "regression", "single_label_classification", "multi_label_classification"
]
"""What a configuration of transformers can say of a head."""

Logits: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLoss:
    """How a loss is taken, beside what the head itself knows.

    Attributes:
        label_smoothing: probability mass spread over all classes.
        weights: how much each class counts, in the order of the labels; empty weighs all alike.
        focal: exponent of the focal loss (Lin et al. 2017, arXiv:1708.02002); 0 is none.
    """

    label_smoothing: float = 0.0
    weights: tuple[float, ...] = ()
    focal: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The targets of training data, understood.

    Attributes:
        head: what was asked, with what it learned from the training part.
        labels: names of the classes; of a number, the name of what is estimated.
        cut: from a part of the data to its records that have a target, which is then as
            `Head.encode` takes it.
        counts: records by label, for each part of the data; empty for numbers.
        summary: what there is to learn, as the end of a sentence.
    """

    head: Head
    labels: tuple[str, ...]
    cut: Callable[[Source], Source]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    summary: str = ""


class Head(Protocol):
    """What is learned of a record: knows targets and logits, and nothing of modalities.

    A plug-in module of ``anysize.heads`` has ``PROVIDES``, ``make() -> Head``, and
    ``read(entries, origin) -> Head``, which takes what `to_json` gave and raises a
    ``BundleError`` that names ``origin`` where the entries do not fit. Heads are frozen
    dataclasses: what is learned from data makes a new one.

    Attributes:
        name: the plug-in's key.
        family: the tasks that it is for.
        problem_type: what the configuration of a transformers model says of it.
        main_metric: what validation compares checkpoints by unless asked otherwise.
        metrics: those that can be asked for.
        lower: those of them in which lower is better.
        evaluation: key of the module of ``anysize.evaluation`` that measures it.
        by_window: whether windows can be answered one by one (the merge rule ``grid``).
    """

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> Family: ...

    @property
    def problem_type(self) -> ProblemType: ...

    @property
    def main_metric(self) -> str: ...

    @property
    def metrics(self) -> tuple[str, ...]: ...

    @property
    def lower(self) -> frozenset[str]: ...

    @property
    def evaluation(self) -> str: ...

    @property
    def by_window(self) -> bool: ...

    def configured(self, options: Mapping[str, Any]) -> Head:
        """The head with the options that it has.

        Args:
            options: values by name that are not the defaults (``heads.options``).

        Raises:
            ConfigurationError: one that does nothing for this head.
        """
        ...

    def column(self, spec: ColumnSpec) -> ColumnSpec:
        """The target's column as this head reads its cells."""
        ...

    def claims(self, cells: Sequence[str]) -> str:
        """Why cells of a target look as if they were for this head; empty where they do not.

        Where no head is asked for, the first that claims the data has them.

        Args:
            cells: of some records, as they are written.
        """
        ...

    def settle(
        self, parts: Mapping[str, Source], findings: Findings, preferred: Sequence[str] = ()
    ) -> Targets:
        """Finds what there is to learn, by the training part.

        Args:
            parts: ``train`` and maybe ``validation`` and ``test``.
            findings: takes what is odd about the targets; a refusal where they cannot be learned.
            preferred: names of classes that are taken if the data have the same ones, in whatever
                case.

        Raises:
            DataError: there is nothing to learn, as the findings say or the message.
        """
        ...

    def inspected(self, source: Source, parts: Mapping[str, Source], findings: Findings) -> Source:
        """All records of data with their targets, where nothing is to be trained yet.

        Args:
            source: all of them.
            parts: that the data name, ``train`` among them.
            findings: as `settle`; what cannot be learned is a refusal among them and not raised.
        """
        ...

    def known(self, labels: Sequence[str]) -> Callable[[Source], Source]:
        """What cuts data to records with targets, where the labels are known."""
        ...

    def comparable(
        self,
        source: Source,
        labels: Sequence[str],
        findings: Findings,
        seen: NDArray[np.bool_] | None = None,
    ) -> Source:
        """Records whose targets can be compared with a model's answers.

        Args:
            source: all of them; none is left out.
            labels: of the model.
            findings: takes what is odd about the targets.
            seen: which records have the content of a record that was learned from.
        """
        ...

    def labels(self, source: Source) -> tuple[str, ...]:
        """The labels of a source in the order of the outputs.

        Raises:
            DataError: there is nothing to learn.
        """
        ...

    def counts(self, source: Source) -> dict[str, int]:
        """Records by label; empty for numbers."""
        ...

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Names of the network's outputs, one for each logit."""
        ...

    def encode(self, target: Any, labels: Sequence[str], record: str) -> Any:
        """A target as the loss takes it: a number or an array.

        Args:
            target: of a record of `Targets.cut`.
            labels: of the network.
            record: its id, for errors.

        Raises:
            DataError: no target, or one that the network does not know.
        """
        ...

    def made_up(self, outputs: int) -> Any:
        """An encoded target for a network of so many outputs, to probe a step with."""
        ...

    def loss(self, pooled: Tensor, targets: Sequence[Any], options: HeadLoss) -> Tensor:
        """The sum of the records' losses, a scalar.

        Args:
            pooled: logits of the records, float32 ``[records, outputs]``.
            targets: encoded, one for each.
            options: how it is taken.
        """
        ...

    def soft_loss(
        self, student: Tensor, teacher: Tensor, teachers: Head, temperature: float
    ) -> Tensor:
        """How far a student's logits are from its teacher's: ``[n]``, zero where they agree.

        Args:
            student: ``[n, outputs]``.
            teacher: the same of the teacher, in the student's order.
            teachers: the teacher's own head, of the same name.
            temperature: of soft targets, where the head has any.
        """
        ...

    def weights(self, counts: Mapping[str, int], labels: Sequence[str]) -> tuple[float, ...]:
        """Weights of the classes in the loss with which they count alike; empty where none are.

        Args:
            counts: records by label, and under the empty name all of them.
            labels: in the order of the weights.
        """
        ...

    def stratum(self, target: Any, counts: Mapping[str, int]) -> str:
        """What a record is balanced by when sampling; empty where targets cannot be balanced.

        Args:
            target: as `encode` takes it.
            counts: records by label.
        """
        ...

    def new_meter(self, labels: Sequence[str], metric: str) -> Meter:
        """Counts up validation results; its score is the metric of that name."""
        ...

    def decide(self, logits: Logits, labels: Sequence[str]) -> Decision:
        """What pooled logits ``[outputs]`` mean."""
        ...

    def calibrated(self, found: Mapping[str, Any]) -> Head:
        """The head with what `Calibrating.calibration` found on validation records."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """What is learned and kept in the card, in plain values."""
        ...


@runtime_checkable
class Starting(Protocol):
    """A head whose fresh last layer begins with what the counts of the labels say."""

    def start(
        self, counts: Mapping[str, int], records: int, labels: Sequence[str]
    ) -> tuple[float, ...]:
        """Biases of the outputs.

        Args:
            counts: training records by label.
            records: for training, in all.
            labels: in the order of the outputs.
        """
        ...
