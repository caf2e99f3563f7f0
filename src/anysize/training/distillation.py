"""Distillation: a student learns a teacher's outputs and hidden states besides the targets.

Hinton et al. 2015, arXiv:1503.02531. Of every record's loss ``distil_weight`` goes by the teacher's
outputs and the rest by the record's target; the difference of hidden states comes on top.

The teacher runs beside the student on every micro-batch, on the same examples: the same windows,
augmented and mixed pictures, in the run's precision, without gradients and without dropout. Its
outputs are compared window by window, where there is most to learn: two records may agree in the
mean of their windows and in nothing else. The windows' differences are summed with their shares of
the record, so a record counts as one, however long it is, and the two passes of
``training.pooled`` stay what they are, because the differences are outputs like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from anysize import heads
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.modalities import modality_of
from anysize.modalities.numbers.facts import card_of
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.bundle import Card
from anysize.models.execution import Execution, Tensors, make_execution
from anysize.models.network import Network
from anysize.models.spec import open_network
from anysize.tasks.protocols import LossBatch, Task, head_of
from anysize.training import soft_targets
from anysize.training.hidden_states import Comparison, Listener, Place, pairs
from anysize.training.order import mix
from anysize.training.pooled import Objective
from anysize.training.recipe import Recipe

TASKS = (
    "text-classification", "image-classification", "tabular-classification",
    "time-series-classification", "text-regression", "image-regression", "tabular-regression",
    "time-series-regression", "object-detection",
)  # fmt: skip
_SOFT, _HIDDEN = "soft", "hidden"

SoftLoss = Callable[[Tensors, Tensors], Tensor]
"""From the student's and the teacher's outputs to one number a window."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained network that does not change.

    Attributes:
        network: in evaluation mode, on the student's device.
        execution: of it.
        loss: of the student's outputs against its own.
        listener: to the student's whole output, where the execution gives the loss alone.
    """

    network: Network
    execution: Execution
    loss: SoftLoss
    listener: Listener | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillingObjective(Objective):
    """The loss of a student; in validation it is as any other objective.

    Attributes:
        teacher: who is learned from.
        weight: share of the loss that goes by the teacher.
        hidden_weight: of the difference between hidden states.
        comparison: of hidden states; None compares none.
    """

    teacher: Teacher
    weight: float
    hidden_weight: float
    comparison: Comparison | None

    def notes(self) -> tuple[str, ...]:
        places = "no hidden states are"
        if self.comparison is not None:
            places = f"hidden states at {self.comparison.count} places are"
        return (
            f"{self.weight:g} of the loss goes by the outputs of {self.teacher.network.spec}; "
            f"{places} compared with it",
        )

    def outputs(self, examples: Sequence[Example]) -> Tensors:
        # dataclass(slots=True) makes a new class, which super() without arguments does not know.
        if not self.network.module.training:
            return Objective.outputs(self, examples)
        compared, teacher = self.comparison, self.teacher
        listeners: list[Listener | None] = [None, None, teacher.listener]
        if compared is not None:
            listeners[:2] = compared.student, compared.teacher
        with ExitStack() as stack:
            own, others, whole = (
                {} if each is None else stack.enter_context(each.listening()) for each in listeners
            )
            outputs = Objective.outputs(self, examples)
            if teacher.listener is not None:
                teacher.execution.side = self.execution.side
            with (
                torch.no_grad(),
                torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16),
            ):
                wanted = teacher.execution(examples)
        outputs[_SOFT] = teacher.loss(vars(whole[0]) if whole else outputs, wanted)
        if compared is not None:
            executions = self.execution, teacher.execution
            outputs[_HIDDEN] = compared(examples, own, others, executions)
        return outputs

    def loss(self, outputs: Tensors, batch: LossBatch) -> Tensor:
        shares = _shares(batch, alone=self.task.separable)
        loss = (1.0 - self.weight) * Objective.loss(self, outputs, batch)
        loss = loss + self.weight * (outputs[_SOFT] * shares).sum()
        if _HIDDEN in outputs:
            loss = loss + self.hidden_weight * (outputs[_HIDDEN] * shares).sum()
        return loss


def problems(task: str, card: Card, labels: Sequence[str], head: str = heads.SINGLE) -> list[str]:
    """Why a bundle cannot teach, one sentence each.

    Args:
        task: of the student.
        card: of the teacher.
        labels: of the student.
        head: of the student, by its key.
    """
    found = []
    if task not in TASKS:
        found.append(f"there is no distillation for {task} yet; it is for {', '.join(TASKS)}")
    if card.task != task:
        found.append(f"teacher is for {card.task}, not for {task}")
    elif heads.of(card.head).name != head:
        found.append(f"teacher has the head {heads.of(card.head).name}, and the student {head}")
    elif sorted(card.labels) != sorted(labels):
        missing = sorted(set(labels) ^ set(card.labels))
        found.append(
            f"teacher must know the labels of the data, in any order; not in both: "
            f"{', '.join(missing[:10])}{', …' if len(missing) > 10 else ''}"
        )
    if card.form is not None:
        found.append(
            "teacher holds a compiled form and no weights; take the bundle that it was made from"
        )
    return found


def check(task: Task, teacher: str, labels: Sequence[str]) -> None:
    """Refuses, before work starts, a teacher that cannot teach what is trained.

    Args:
        task: of the student.
        teacher: spec of a trained model.
        labels: of the student.

    Raises:
        ConfigurationError, BundleError: as named.
    """
    if found := problems(task.name, card_of(teacher, task.name), labels, _head(task)):
        raise ConfigurationError(found)


def with_teacher(objective: Objective, recipe: Recipe, labels: Sequence[str]) -> Objective:
    """The objective with the recipe's teacher, which is opened and put on the device.

    Args:
        objective: of the student.
        recipe: with a ``teacher``.
        labels: of the student.

    Raises:
        ConfigurationError, BundleError: the teacher does not fit.
    """
    assert recipe.teacher is not None
    network, card = open_network(recipe.teacher, recipe.task)
    found = problems(recipe.task, card, labels, _head(objective.task))
    if not found:
        found = _differences(objective.network, network)
    if found:
        raise ConfigurationError(found)
    module: nn.Module = network.module
    module.float().eval().requires_grad_(False).to(objective.device)
    network.pool = None
    modality = modality_of(network.settings)
    modality.arrange(module)
    modality.fit_teacher(network)
    # Shapes that are run apart are other calls, of which a listener would hear the last.
    apart = bool(modality.one_shape) and network.settings.varying
    places = pairs(objective.network, network) if recipe.hidden_weight and not apart else ()
    comparison = None
    if places:
        with torch.random.fork_rng():
            torch.manual_seed(mix("projections", recipe.seed))
            comparison = Comparison(places)
        comparison.projections.to(objective.device)
    teacher = _teacher(objective, network, card, labels, recipe.temperature)
    given = {each.name: getattr(objective, each.name) for each in fields(objective)}
    if comparison is not None and len(comparison.projections):
        given["extra"] = {**objective.extra, "projections": comparison.projections}
    return DistillingObjective(
        **given,
        teacher=teacher,
        weight=recipe.distil_weight,
        hidden_weight=recipe.hidden_weight,
        comparison=comparison,
    )


def _head(task: Task) -> str:
    """The key of a task's head; of a task without one that of one label, as in its card."""
    head = head_of(task)
    return heads.SINGLE if head is None else head.name


def _teacher(
    objective: Objective,
    network: Network,
    card: Card,
    labels: Sequence[str],
    temperature: float,
) -> Teacher:
    # Where the student's sequences lie side by side the teacher's may be padded, not the reverse:
    # of the last layer only the student then has the first tokens alone.
    packed = None if objective.execution.packed else False
    execution = make_execution(network, objective.device, packed=packed)
    head = head_of(objective.task)
    if head is not None:
        theirs = heads.of(card.head)
        outputs = theirs.outputs(card.labels)
        places = [outputs.index(name) for name in head.outputs(labels)]

        def by_head(own: Tensors, wanted: Tensors) -> Tensor:
            logits = wanted["logits"][:, places]
            return head.soft_loss(own["logits"], logits, theirs, temperature)

        return Teacher(network, execution, by_head, None)

    order = [card.labels.index(label) for label in labels]
    module = objective.network.module
    dense = _points(network) is not None
    queries = int(getattr(module.config, "num_queries", 0))

    def by_box(own: Tensors, wanted: Tensors) -> Tensor:
        logits, boxes = own["logits"], own["pred_boxes"]
        nothing = wanted["logits"].shape[-1] > len(order)
        places = [*order, len(order)] if nothing else list(order)
        target = wanted["logits"][..., places], wanted["pred_boxes"]
        if dense:
            return soft_targets.dense_boxes(logits, boxes, *target)
        # Denoising queries come before the model's own (arXiv:2203.01305).
        own_queries = logits[:, -queries:], boxes[:, -queries:]
        return soft_targets.box_sets(*own_queries, *target, nothing=nothing)

    return Teacher(network, execution, by_box, Listener([Place(module, 0)]))


def _differences(student: Network, teacher: Network) -> list[str]:
    """Why the two cannot be compared on the same examples."""
    found = modality_of(student.settings).differences(student, teacher)
    if found or student.settings.modality != teacher.settings.modality:
        return found or [
            f"student and teacher must read the same: {student.spec} reads "
            f"{student.settings.content}, and {teacher.spec} {teacher.settings.content}"
        ]
    if student.outputs == ("logits",):
        return []
    if _points(student) != _points(teacher):
        return [
            "student and teacher must predict alike: at the same points (detector-small, pictures "
            "of the same size) or as a set of boxes (DETR and what came of it); found "
            f"{_prediction(student)} and {_prediction(teacher)}"
        ]
    return []


def _points(network: Network) -> tuple[int, int] | None:
    """Size of the input of a detector that predicts at points of it; None of any other."""
    if network.module.config.model_type != "anysize_detector":
        return None
    settings = network.reads(ImageSettings)
    return settings.width, settings.height


def _prediction(network: Network) -> str:
    points = _points(network)
    return "a set of boxes" if points is None else f"points of {points[0]}x{points[1]} pixels"


def _shares(batch: LossBatch, *, alone: bool) -> Tensor:
    """How much each window counts: its share of the record, or 1 where it is ``alone``."""
    weights = batch.weights.float().clamp_min(1)
    if alone:
        return torch.ones_like(weights)
    totals = torch.zeros(len(batch.targets), device=weights.device)
    return weights / totals.index_add(0, batch.owners, weights)[batch.owners]
