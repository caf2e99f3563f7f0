"""A smaller student that learns from the bundle: soft targets and hidden states.

The teacher is the bundle that the step is given, so that in a chain every step learns from the one
before. The student is either the teacher's own layers, thinned out (``layers``), or any other model
(``student``). Of built-in models that are no stack of layers, such as those of numbers, the student
is a fresh net of half the width. What is learned, and how, is in ``training.distillation``.

Where the targets are texts that models write (translations, summaries, answers in conversations),
the teacher first writes them for the training records, and the student learns from these
(``written_targets``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.compression.fitting import runtime_problems, tuning_problems
from anysize.compression.narrower import narrower
from anysize.compression.protocols import Context
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.modalities import modality_of
from anysize.tasks.distilling import Answered, Writing

if TYPE_CHECKING:
    from anysize.compression.written_targets import WrittenTargets
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.training import Recipe

PROVIDES = ("distil",)

_WRITTEN = "target_logits"
# Of networks whose layers can be left out.
_OUTPUTS = (("logits",), ("losses",), (_WRITTEN,))


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilOptions:
    """Parameters of ``distil``.

    Attributes:
        student: model spec of the student; empty takes the teacher's own layers.
        layers: how many of them stay, evenly spread; 0 is half. Of an encoder-decoder: of each of
            the two. Of a model of numbers: hidden layers of the student, 0 is as many as the
            teacher has.
        epochs: passes over the training data.
        learning_rate: the highest; None leaves it to the kind of student.
        temperature: of the softmax of both.
        weight: weight of the teacher's outputs in the loss.
        hidden: weight of the difference between hidden states.
    """

    student: str = ""
    layers: int = 0
    epochs: float = 8.0
    learning_rate: float | None = None
    temperature: float = 2.0
    weight: float = 0.5
    hidden: float = 1.0

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if self.student and self.layers:
            problems.append(
                "give either student (another model) or layers (of the teacher's own), "
                f"not student={self.student} and layers={self.layers}"
            )
        if self.layers < 0 or self.hidden < 0:
            problems.append(
                f"layers and hidden must not be negative, not {self.layers} and {self.hidden:g}"
            )
        if self.epochs == 0:
            problems.append("epochs must be above 0")
        if not self.temperature > 0:
            problems.append(f"temperature must be above 0, not {self.temperature:g}")
        if not 0 <= self.weight <= 1:
            problems.append(f"weight must be from 0 to 1, not {self.weight:g}")
        if problems:
            raise ConfigurationError(problems)


class Distil:
    """See the module."""

    key = "distil"
    needs_data = True
    compiles = False
    options = DistilOptions

    def problems(self, network: Network, card: Card) -> list[str]:
        from anysize.training.distillation import problems

        task = tasks.of(card)
        found = problems(task, card, card.labels)
        found = (runtime_problems(network) or found) if found else []
        if not found and isinstance(task, Writing) and network.outputs != (_WRITTEN,):
            found = ["it writes nothing that a student could learn to write"]
        if not found and not isinstance(task, Writing) and network.outputs == (_WRITTEN,):
            found = [
                f"it writes token by token, and models of {task.name} that do so are not trained "
                "here"
            ]
        return found

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        from anysize.models import bundle

        assert isinstance(options, DistilOptions)
        if context.data is None:
            raise ConfigurationError("method 'distil' needs data: give --data")
        learning: dict[str, Any] = {
            "epochs": options.epochs,
            "learning_rate": options.learning_rate,
            "teacher": str(source),
            "temperature": options.temperature,
            "distil_weight": options.weight,
            "hidden_weight": options.hidden,
        }
        written: list[WrittenTargets] = []
        if isinstance(context.task, Writing | Answered):
            learning["before_training"] = partial(_taught, source, context, written)
        self._learn(source, out, options, context, learning)
        for found in written:
            card = bundle.read_card(out)
            noted = {**card.provenance, "written_targets": found.to_json()}
            bundle.write_card(out, dataclasses.replace(card, provenance=noted))

    def _learn(
        self,
        source: Path,
        out: Path,
        options: DistilOptions,
        context: Context,
        learning: dict[str, Any],
    ) -> None:
        if options.student:
            learning |= _alone(source, options.student, context)
            _train(source, out, options.student, learning, context)
            return
        found = narrower(source, options.layers)
        if found is not None:
            sizes = ", ".join(f"{name}={value}" for name, value in found.options.items())
            context.say(f"distil: the student is {found.model} with {sizes}")
            learning = {**learning, **_as_before(source, options), "options": found.options}
            _train(source, out, found.model, learning, context)
            return
        from anysize.compression.tuning import fine_tune

        layers = _layers(source, options.layers)
        context.say(
            f"distil: the student has {' and '.join(layers.values())} of the teacher's layers"
        )
        fine_tune(source, out, context, options=layers, **learning)


def _taught(
    source: Path, context: Context, written: list[WrittenTargets], recipe: Recipe
) -> Recipe:
    """The recipe with the targets that the teacher writes for its training records, if any."""
    from anysize.compression.written_targets import write_targets
    from anysize.training.preparation import training_part

    training, task = training_part(recipe), context.task
    if isinstance(task, Answered) and task.asked(training) is None:
        return recipe
    found = write_targets(source, training, context)
    written.append(found)
    context.say(f"distil: {found.sentence()}")
    context.note(found.sentence())
    return recipe.changed(written_targets=str(found.path))


def _alone(source: Path, student: str, context: Context) -> dict[str, Any]:
    """What a recipe changes for a student that reads other tokens than a teacher that writes.

    It learns from the teacher's texts alone.
    """
    from anysize.models.spec import open_network

    if not isinstance(context.task, Writing) or plugins.has("models", student):
        return {}
    own, teacher = (open_network(spec)[0] for spec in (student, str(source)))
    if not modality_of(own.settings).differences(own, teacher):
        return {}
    said = "the student has other tokens than the teacher, and learns from its texts alone"
    context.say(f"distil: {said}")
    context.note(said)
    return {"teacher": None}


def _layers(source: Path, wanted: int) -> dict[str, str]:
    """How many layers the student has of each stack, as options of a model.

    Raises:
        ConfigurationError: the teacher has no layers that could be left out, or too few.
    """
    from anysize.models.spec import open_network
    from anysize.models.thinned import OPTIONS, stacks_of

    network, _ = open_network(str(source))
    stacks = stacks_of(network.module)
    if not stacks or network.outputs not in _OUTPUTS:
        raise ConfigurationError(
            f"distil: {source} is not a stack of transformer layers that could be thinned out; "
            "name a smaller model: distil(student=SPEC)"
        )
    if network.altered:
        raise ConfigurationError(
            f"distil: the layers of {source} have been pruned; thin them out before, as in "
            "distil(layers=3), prune-structured"
        )
    counts = [len(stack.layers) for stack in stacks]
    count = max(counts)
    if count == 1:
        raise ConfigurationError(
            f"distil: {source} has one layer, so that none can be left out; name a smaller model: "
            "distil(student=SPEC)"
        )
    if wanted > count:
        raise ConfigurationError(f"distil: layers must be at most {count}, not {wanted}")
    left = [min(wanted, each) if wanted else max(each // 2, 1) for each in counts]
    return dict(zip(OPTIONS, map(str, left), strict=False))


def _as_before(source: Path, options: DistilOptions) -> dict[str, Any]:
    """How the teacher was trained, which is how a fresh net of its kind is trained."""
    from anysize.compression.tuning import taken_over
    from anysize.models import bundle

    card = bundle.read_card(source)
    rate = options.learning_rate
    if rate is None:
        rate = (card.provenance.get("recipe") or {}).get("learning_rate")
    return {**taken_over(card), "learning_rate": rate}


def _train(
    source: Path, out: Path, student: str, learning: dict[str, Any], context: Context
) -> None:
    """Trains another model than the teacher."""
    from anysize.compression.tuning import train
    from anysize.models import bundle

    card = bundle.read_card(source)
    sizes: dict[str, Any] = {}
    if plugins.has("models", student):
        # Others have sizes of their own, to which pictures are fitted for the teacher.
        sizes = modality_of(card.settings).taken_over(card.settings)
    train(
        card,
        out,
        context,
        said=f"distil: trained {student}",
        carried=lambda trained: dataclasses.replace(trained, compression=card.compression),
        model=student,
        seed=context.seed,
        **sizes,
        **learning,
    )


def make(_key: str) -> Distil:
    """The method."""
    return Distil()
