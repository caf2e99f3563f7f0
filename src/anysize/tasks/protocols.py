"""What a task must do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from anysize.core.examples import Example
from anysize.core.options import Options
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.models.network import Network
from anysize.sources import ColumnSpec

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.core.steps import Step
    from anysize.heads.protocols import Head, HeadLoss
    from anysize.models.execution import Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """How the pictures of a batch were mixed with each other.

    Attributes:
        partners: of each record, the one that it was mixed with.
        share: what each record keeps of its own target, 0 to 1.
    """

    partners: tuple[int, ...]
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOptions:
    """What a recipe asks of a loss.

    Attributes:
        rule: how a record's windows are joined, as in its merger, where they are.
        label_smoothing: probability mass spread over all classes, where there are classes.
    """

    rule: str = "mean"
    label_smoothing: float = 0.0


_AS_USUAL = LossOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class LossBatch:
    """What a loss is taken of, beside the network's outputs.

    Attributes:
        examples: the windows, in the order of the outputs. Where a record is trained in two passes
            they have no ``arrays``, and of networks without outputs for each token there are none;
            a loss that is ``separable`` always gets them whole.
        owners: which record each window belongs to, int64 ``[windows]``, 0-based.
        weights: extent of each window's core, ``[windows]``.
        targets: of the records, as ``Task.encode_target`` gave them.
        mixture: None where the records are as they were read.
        lengths: of a network with outputs for each token, how many rows of them each window has,
            int64 ``[windows]``; else None.
        options: what was asked of the loss; a task takes of it what its loss has.
    """

    examples: Sequence[Example]
    owners: Tensor
    weights: Tensor
    targets: Sequence[Any]
    mixture: Mixture | None = None
    lengths: Tensor | None = None
    options: LossOptions = field(default_factory=lambda: _AS_USUAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOptions:
    """What is asked of a merger.

    Attributes:
        rule: key of the merge rule, where a task leaves it to the user.
        keep_first: whether the result also has what the first window alone would have given, where
            that makes sense.
    """

    rule: str = "mean"
    keep_first: bool = False


MERGED_AS_USUAL = MergeOptions()


class Task(Protocol):
    """One task: everything that differs between tasks is behind these methods.

    A plug-in module of ``anysize.tasks`` has ``PROVIDES``, ``make(name) -> Task`` and
    ``ARCHITECTURE`` (``models.architectures``: which models it takes). It may have
    ``adapt(network)``, which changes a network of transformers that was just opened.

    Attributes:
        name: the plug-in's key.
        role: the field that is cut into windows; its column says of which modality it is, and
            others which of them are repeated in each window (``ColumnSpec.repeated``).
        unit: what windows are measured in.
        columns: the fields and the target, as they are found in data.
        main_metric: what validation compares checkpoints by.
        lower_is_better: whether a lower value of it is better.
        augmentation: what training takes where the recipe says ``auto``.
        separable: whether a record's loss is a sum over its windows, so that long records need no
            second pass.
        by_target: whether data are divided by target, not by record, as for identities: those that
            are learned must not be those that are judged by.
    """

    name: str
    role: str
    unit: Unit
    columns: tuple[ColumnSpec, ...]
    main_metric: str
    lower_is_better: bool
    augmentation: str
    separable: bool
    by_target: bool

    def labels(self, source: Source) -> tuple[str, ...]:
        """The label names of a source, sorted; numbers in numeric order.

        Raises:
            DataError: no record has a target, or fewer than two labels.
        """
        ...

    def label_counts(self, source: Source) -> dict[str, int]:
        """How often each label occurs in a source, by its name."""
        ...

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Prepares a fresh network with the training data, before the first step.

        Args:
            network: just built, or opened to be trained further.
            source: the training data.
            labels: of the network.
        """
        ...

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        """How a record becomes windows and examples for this network."""
        ...

    def encode_target(self, record: Record, labels: Sequence[str]) -> Any:
        """What the loss wants to know of a record: a number or an array.

        For classification, the target's index in ``labels``.

        Raises:
            DataError: no target, or one that is not among the labels.
        """
        ...

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        """Fields of the recipe that this task chooses otherwise than its modality does.

        Args:
            pretrained: whether weights were loaded.
        """
        ...

    def made_up(self, example: Example, labels: int) -> tuple[Example, Any]:
        """A probe's example with what training would add to it, and a target for it.

        Args:
            example: of noise.
            labels: how many classes the network knows.
        """
        ...

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The sum (not the mean) of the records' losses, a scalar.

        Args:
            network: that gave the outputs.
            outputs: of all windows of these records.
            batch: whose the windows are, the targets, and what was asked of the loss.
        """
        ...

    def new_meter(self, labels: Sequence[str]) -> Meter:
        """Counts up validation results."""
        ...

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        """Makes the merger of a record from its id.

        Args:
            labels: of the network; empty where it has none.
            options: what was asked; a task takes of it what its merger has.

        Raises:
            ConfigurationError: a rule was asked for that the task does not have.
        """
        ...


@runtime_checkable
class ReadsTargets(Protocol):
    """A task whose targets are understood with the record that they belong to."""

    def target_of(self, record: Record) -> Any:
        """What a record's target means; None where it has none.

        Raises:
            DataError: it is not understood.
        """
        ...


def target_of(task: object, record: Record) -> Any:
    """What a meter is given: what the task makes of a record's target, or as the data has it."""
    return task.target_of(record) if isinstance(task, ReadsTargets) else record.target


@runtime_checkable
class KnowsMore(Protocol):
    """A task whose models are built of more than the field that is windowed."""

    def facts(self, source: Source, found: object) -> object:
        """What a model builder is to know.

        Args:
            source: the training data.
            found: facts of the modality about the field that is windowed.
        """
        ...


@runtime_checkable
class Stepped(Protocol):
    """A task that does something else with a batch than to run the model once."""

    def step(self, network: Network) -> Step:
        """What prediction does with a batch, and what planning measures."""
        ...


def step_of(task: object, network: Network) -> Step:
    """What a task does with a batch: its own step, or one run of the model."""
    from anysize.core.steps import ONE_RUN

    return task.step(network) if isinstance(task, Stepped) else ONE_RUN


@runtime_checkable
class Answering(Protocol):
    """A task that does something else in prediction than what it is trained and measured by.

    A language model is measured by the probability of texts, and asked to continue them.
    """

    def answering(self) -> Task:
        """The task as prediction carries it out, with its own columns, windows and merger."""
        ...


def answering(task: Task) -> Task:
    """A task as prediction carries it out."""
    return task.answering() if isinstance(task, Answering) else task


@runtime_checkable
class Headed(Task, Protocol):
    """A task whose targets, loss, decisions and metrics are those of a head (``anysize.heads``).

    Attributes:
        head: with what it learned, where it has seen data.
        chosen: whether the head was named, or learned; else the data may choose another one.
        options: what was asked of the head beside its defaults, by name.
    """

    head: Head
    chosen: bool
    options: Mapping[str, Any]

    def wishing(self, options: Mapping[str, Any], metric: str) -> Headed:
        """The task with options that its head gets, whichever it is to be.

        Args:
            options: by name, those that are not the defaults.
            metric: what validation compares checkpoints by; empty leaves it to the head.
        """
        ...

    def losing(self, options: HeadLoss) -> Headed:
        """The task with another way to take its loss."""
        ...

    def headed(self, head: Head, metric: str = "") -> Headed:
        """The task with another head.

        Args:
            head: of the task's family.
            metric: what validation compares checkpoints by; empty takes the head's own.

        Raises:
            ConfigurationError: the head is for other tasks, or has no such metric.
        """
        ...


def head_of(task: Task) -> Head | None:
    """The head that settles what is learned; None where the task does so itself."""
    return task.head if isinstance(task, Headed) and not task.by_target else None


@runtime_checkable
class Predicting(Protocol):
    """A task with options of its own in prediction (``anysize predict BUNDLE … --threshold 0.5``).

    Where its module names the same dataclass in ``OPTIONS``, training takes them too, and the model
    keeps them; what a bundle keeps, its users may change.

    Attributes:
        prediction: the dataclass that declares them.
    """

    prediction: ClassVar[type[Options]]

    def predicting(self, options: Any) -> Task:
        """The task as these options, an instance of ``prediction``, ask for it."""
        ...
