"""What a task must do so that its models can learn from a trained one (distillation)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from anysize.core.examples import Example
from anysize.core.records import Source
from anysize.core.results import Result
from anysize.models.network import Network
from anysize.tasks.protocols import LossBatch, Task

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import Tensors
    from anysize.models.token_losses import BeforeHead

SoftLoss: TypeAlias = "Callable[[Tensors, Tensors, Sequence[Example]], Tensor]"
"""From the student's outputs, the teacher's and the windows to one number a window, zero where
the outputs are equal."""

HeadsLoss: TypeAlias = "Callable[[BeforeHead, BeforeHead, Sequence[Example]], Tensor]"
"""The same of language models: from what their heads read, of all tokens, and the heads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Student or teacher.

    Attributes:
        network: with its module.
        labels: in the order that its card or its data has them.
        head: what the card says of the head; empty where the task has none.
    """

    network: Network
    labels: Sequence[str]
    head: Mapping[str, Any]


def by_extent(batch: LossBatch) -> Tensor:
    """The share of each window in its record, by the extents of their cores, ``[windows]``."""
    import torch

    weights = batch.weights.float().clamp_min(1)
    totals = torch.zeros(len(batch.targets), device=weights.device)
    return weights / totals.index_add(0, batch.owners, weights)[batch.owners]


def alone(batch: LossBatch) -> Tensor:
    """Ones: every window is learned from by itself."""
    import torch

    return torch.ones_like(batch.weights, dtype=torch.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftTargets:
    """How a student's outputs are compared with its teacher's.

    Attributes:
        loss: of each window; None where there is ``of_heads``.
        of_heads: the loss of models whose logits are not all to be made at once.
        shares: how much each window counts.
        whole: whether the loss wants all that the student's module gives, also where training takes
            its loss alone.
    """

    loss: SoftLoss | None = None
    of_heads: HeadsLoss | None = None
    shares: Callable[[LossBatch], Tensor] = by_extent
    whole: bool = False


@runtime_checkable
class Distillable(Task, Protocol):
    """A task whose models can learn from a teacher's outputs."""

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """How outputs are compared; both sides know the same labels, in any order.

        Args:
            student: in training.
            teacher: trained.
            temperature: logits are divided by it.

        Raises:
            ConfigurationError: the two predict in ways that cannot be compared.
        """
        ...


@runtime_checkable
class Writing(Distillable, Protocol):
    """A task whose targets are texts: what a teacher writes can take the place of the data's."""

    def unusable(self, result: Result) -> str | None:
        """Why what was written for a record is nothing to learn from; None where it is.

        A few words that say how it is (``empty``), the same for all records of a kind.
        """
        ...


@runtime_checkable
class Answered(Distillable, Protocol):
    """A task some of whose data are questions with answers, which a teacher can write, too."""

    def asked(self, source: Source) -> Source | None:
        """The records as a teacher is asked them; None where there are no questions."""
        ...

    def unanswered(self, result: Result) -> str | None:
        """Why what a teacher answered is nothing to learn from; see `Writing.unusable`."""
        ...


def distillable(task: Task) -> Distillable | None:
    """The task, if its models can learn from a teacher: not where labels are identities."""
    return task if isinstance(task, Distillable) and not task.by_target else None
