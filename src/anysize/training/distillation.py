"""Distillation: a student learns a teacher's outputs and hidden states besides the targets.

Hinton et al. 2015, arXiv:1503.02531. ``distil_weight`` of every record's loss compares it with the
teacher's outputs, and the rest with the record's target; the difference of hidden states is added.

The teacher runs beside the student on every micro-batch, on the same examples: the same windows,
augmented and mixed pictures, in the run's precision, without gradients and without dropout. Its
outputs are compared window by window, where there is most to learn: two records may agree in the
mean of their windows and in nothing else. The windows' differences are summed with their shares of
the record, so a record counts as one, however long it is, and the two passes of
``training.pooled`` stay what they are, because the differences are outputs like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from anysize import heads, tasks
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.modalities import modality_of
from anysize.modalities.numbers.facts import card_of
from anysize.modalities.texts.causal import CausalText
from anysize.models.bundle import Card
from anysize.models.execution import Execution, Tensors, make_execution
from anysize.models.network import Network
from anysize.models.spec import open_network
from anysize.tasks.distilling import HeadsLoss, Side, SoftTargets, distillable
from anysize.tasks.protocols import LossBatch, Task, head_of
from anysize.training.hidden_states import Comparison, Listener, Place, pairs
from anysize.training.order import mix
from anysize.training.pooled import Objective
from anysize.training.recipe import Recipe

_SOFT, _HIDDEN = "soft", "hidden"


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained network that does not change.

    Attributes:
        network: in evaluation mode, on the student's device.
        execution: of it.
        soft: how the student's outputs are compared with its own.
        listener: to the student's whole output, where the execution gives the loss alone.
    """

    network: Network
    execution: Execution
    soft: SoftTargets
    listener: Listener | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillingObjective(Objective):
    """The loss of a student; in validation it is as any other objective.

    Attributes:
        teacher: who is learned from.
        weight: weight of the teacher in the loss.
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
            f"{self.weight:g} of the loss is the distance to {self.teacher.network.spec}; "
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
            if teacher.soft.of_heads is not None:
                outputs, soft = self._of_heads(teacher.soft.of_heads, examples)
            else:
                assert teacher.soft.loss is not None
                outputs = Objective.outputs(self, examples)
                if teacher.listener is not None:
                    teacher.execution.side = self.execution.side
                with torch.no_grad(), self._autocast():
                    wanted = teacher.execution(examples)
                heard = vars(whole[0]) if whole else outputs
                soft = teacher.soft.loss(heard, wanted, examples)
        outputs[_SOFT] = soft
        if compared is not None:
            executions = self.execution, teacher.execution
            outputs[_HIDDEN] = compared(examples, own, others, executions)
        return outputs

    def _of_heads(self, loss: HeadsLoss, examples: Sequence[Example]) -> tuple[Tensors, Tensor]:
        """Outputs and divergence of language models: the teacher's head runs where it is asked."""
        execution, teacher = self.execution, self.teacher.execution
        assert isinstance(execution, CausalText)
        assert isinstance(teacher, CausalText)
        with execution.listening() as heard:
            outputs = Objective.outputs(self, examples)
        with torch.no_grad(), self._autocast():
            others = teacher.before_head(examples)
        with self._autocast():
            return outputs, loss(heard[0], others, examples)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def loss(self, outputs: Tensors, batch: LossBatch) -> Tensor:
        shares = self.teacher.soft.shares(batch)
        loss = (1.0 - self.weight) * Objective.loss(self, outputs, batch)
        loss = loss + self.weight * (outputs[_SOFT] * shares).sum()
        if _HIDDEN in outputs:
            loss = loss + self.hidden_weight * (outputs[_HIDDEN] * shares).sum()
        return loss


def problems(task: Task, card: Card, labels: Sequence[str]) -> list[str]:
    """Why a bundle cannot teach, one sentence each.

    Args:
        task: of the student.
        card: of the teacher.
        labels: of the student.
    """
    found = []
    head = head_of(task)
    own = heads.SINGLE if head is None else head.name
    if distillable(task) is None:
        known = [each for each in plugins.keys("tasks") if distillable(tasks.load(each))]
        found.append(f"there is no distillation for {task.name}; it is for {', '.join(known)}")
    if card.task != task.name:
        found.append(f"teacher is for {card.task}, not for {task.name}")
    elif heads.of(card.head).name != own:
        found.append(f"teacher has the head {heads.of(card.head).name}, and the student {own}")
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
    if found := problems(task, card_of(teacher, task.name), labels):
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
    found = problems(objective.task, card, labels)
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
    apart = bool(modality.apart(network)) and network.settings.varying
    places = pairs(objective.network, network) if recipe.hidden_weight and not apart else ()
    comparison = None
    if places:
        # A layer that training leaves out now and then (LayerDrop) could not be compared.
        config = objective.network.module.config
        if getattr(config, "layerdrop", 0.0):
            config.layerdrop = 0.0
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
    task = distillable(objective.task)
    assert task is not None
    soft = task.soft_targets(
        Side(network=objective.network, labels=labels, head={}),
        Side(network=network, labels=card.labels, head=card.head),
        temperature,
    )
    listener = Listener([Place(objective.network.module, 0)]) if soft.whole else None
    return Teacher(network, execution, soft, listener)


def _differences(student: Network, teacher: Network) -> list[str]:
    """Why the two cannot be given the same examples."""
    found = modality_of(student.settings).differences(student, teacher)
    if found or student.settings.modality != teacher.settings.modality:
        return found or [
            f"student and teacher must read the same: {student.spec} reads "
            f"{student.settings.content}, and {teacher.spec} {teacher.settings.content}"
        ]
    return []
